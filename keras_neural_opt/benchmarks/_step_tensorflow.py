"""One compiled optimizer step on TensorFlow: ours and Keras'."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf


def set_threads(count: int) -> None:
    """Do nothing: TensorFlow fixes its threads when it starts."""


def keras_step(optimizer: Any, values: Sequence[np.ndarray], gradients: Sequence[np.ndarray]) -> Callable[[], None]:
    """Return one step of a Keras optimizer, compiled by XLA."""
    variables = [keras.Variable(value) for value in values]
    optimizer.build(variables)
    given = [tf.constant(gradient) for gradient in gradients]

    @tf.function(jit_compile=True)
    def step(tensors: list[Any]) -> Any:
        optimizer.apply(tensors, variables)
        return tf.constant(0)

    return lambda: step(given).numpy()


def peers(
    name: str, option: str, values: Sequence[np.ndarray], gradients: Sequence[np.ndarray]
) -> dict[str, Callable[[], None]]:
    """Return nothing: TF Addons is dead, and Keras' own class is the peer."""
    return {}
