"""One compiled optimizer step on TensorFlow: ours and Keras'."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_neural_opt.benchmarks._candidate import Candidate, Maker
from keras_neural_opt.benchmarks._options import calls


def without_caches() -> AbstractContextManager[None]:
    """Return a context in which a first step compiles anew, as it always does here."""
    return nullcontext()


def has_gpu() -> bool:
    """Whether TensorFlow finds a GPU."""
    return bool(tf.config.list_physical_devices("GPU"))


def device_name(device: str) -> str:
    """Return what the device calls itself."""
    if device == "cpu":
        return "cpu"
    details = tf.config.experimental.get_device_details(tf.config.list_physical_devices("GPU")[0])
    return str(details.get("device_name", "gpu"))


def keras_candidate(
    optimizer: Any, option: str, values: Sequence[np.ndarray], gradients: Sequence[np.ndarray]
) -> Candidate:
    """Return a Keras optimizer with variables and gradients, its step compiled by XLA."""
    variables = [keras.Variable(value) for value in values]
    optimizer.build(variables)
    given = [tf.constant(gradient) for gradient in gradients]

    @tf.function(jit_compile=True)
    def step(tensors: list[Any]) -> Any:
        optimizer.apply(tensors, variables)
        return tf.constant(0)

    def repeated() -> None:
        for _ in range(calls(option)):
            step(given).numpy()

    return Candidate(repeated, lambda: sum(v.numpy().nbytes for v in optimizer.variables))


def peers(name: str, option: str, values: Sequence[np.ndarray], gradients: Sequence[np.ndarray]) -> dict[str, Maker]:
    """Return nothing: TF Addons is dead, and Keras' own class is the peer."""
    return {}
