"""Which rows move, with gradients that touch other rows in each step."""

import keras
import numpy as np
import pytest

from keras_neural_opt import optimizers
from tests.contracts.running import BACKEND
from tests.oracles.lazyadam import LazyAdam
from tests.oracles.loop import Loop

ROWS = ((0, 3), (3, 4), (1,), (0, 1, 2))


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize(("name", "lazy"), [("embeddings", True), ("table", False)])
def test_only_embeddings_are_lazy(name: str, lazy: bool, sparse: bool):
    if sparse and BACKEND != "tensorflow":
        pytest.skip("only TensorFlow's gradients name their rows")
    rng = np.random.default_rng(0)
    start = rng.normal(size=(5, 2)).astype("float32")
    variable = keras.Variable(start, name=name)
    optimizer = optimizers.LazyAdam(0.1)
    twin = Loop(LazyAdam(lazy=lazy), 0.1).start([start])
    for rows in ROWS:
        values = rng.normal(size=(len(rows), 2)).astype("float32")
        dense = np.zeros((5, 2), "float32")
        dense[list(rows)] = values
        gradient = keras.ops.convert_to_tensor(dense)
        if sparse:
            import tensorflow as tf

            gradient = tf.IndexedSlices(tf.constant(values), tf.constant(rows), (5, 2))
        optimizer.apply([gradient], [variable])
        twin.apply([dense])
        np.testing.assert_allclose(variable.numpy(), twin.variables[0], atol=1e-6)
