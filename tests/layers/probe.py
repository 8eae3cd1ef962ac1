"""Looks at what a dropout layer did in each training call, wherever the call ran."""

import math
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

BACKEND = keras.backend.backend()
# The arguments of `compile` for each way in which `fit` can run.
EAGER, GRAPH, JIT = {"run_eagerly": True}, {"jit_compile": False}, {"jit_compile": True}
FIT_WAYS = {
    "tensorflow": {"eager": EAGER, "graph": GRAPH, "jit": JIT},
    "jax": {"jit": JIT},  # Eagerly it takes longest, and that the calls of single layers do.
    "torch": {"eager": {}},
}[BACKEND]

BATCH, WIDTH = 32, 1024


@keras.saving.register_keras_serializable("tests")
class Probe(keras.layers.Layer):
    """Keeps, of each training call, the share of zeros among its inputs and the largest."""

    def __init__(self, length: int = 32, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.length = length
        self.record = self.add_weight(shape=(length, 2), initializer="zeros", trainable=False, name="record")
        self.calls = self.add_weight(shape=(), dtype="int32", initializer="zeros", trainable=False, name="calls")

    def call(self, inputs: Any, training: bool = False) -> Any:
        if training:
            seen = ops.stack([ops.mean(ops.cast(ops.equal(inputs, 0), "float32")), ops.max(inputs)])
            here = ops.expand_dims(ops.equal(ops.arange(self.length, dtype="int32"), self.calls), 1)
            self.record.assign(ops.where(here, seen, self.record.value))
            self.calls.assign_add(1)
        return inputs

    def rows(self) -> np.ndarray:
        return ops.convert_to_numpy(self.record)[: int(self.calls)]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "length": self.length}


def probed(layer: Any) -> keras.Model:
    """Return a model of ones, in which a probe stands behind `layer`."""
    dense = keras.layers.Dense(1, kernel_initializer="ones")
    return keras.Sequential([keras.Input((WIDTH,)), layer, Probe(name="probe"), dense])


def data(steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Return ones, of which `steps` batches make an epoch."""
    return np.ones((BATCH * steps, WIDTH), "float32"), np.ones((BATCH * steps, 1), "float32")


def assert_used(rows: np.ndarray, rate: Callable[[int], float], units: int = BATCH * WIDTH) -> None:
    """Assert of each call that its rate, by the share of zeros and by the scale of the rest, was `rate(step)`."""
    for step, (zeros, largest) in enumerate(rows):
        expected = rate(step)
        assert abs(zeros - expected) <= 4 * math.sqrt(expected * (1 - expected) / units), f"zeros of step {step}"
        # Of a rate up to 0.5 two units in the last place, and two roundings.
        assert abs(largest * (1 - expected) - 1) <= 4e-7, f"scale of step {step}"
