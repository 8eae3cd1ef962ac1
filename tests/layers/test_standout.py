"""Standout: what is kept, how often, and what inference makes of it."""

from typing import Any

import keras
import numpy as np
import pytest

from keras_neural_opt.layers import Standout
from tests.layers.steps import WAYS, WithDraw, step
from tests.oracles import adaptive_dropout as oracle

RNG = np.random.default_rng(2)
DENSE, IMAGES = RNG.normal(size=(6, 5)).astype("float32"), RNG.normal(size=(3, 6, 5, 2)).astype("float32")
CASES = {"dense": (keras.layers.Dense, (4,), DENSE), "images": (keras.layers.Conv2D, (4, 3), IMAGES)}


def before(layer: Any, x: np.ndarray) -> np.ndarray:
    """Give the layer a bias; return what comes before the activation."""
    layer.build(x.shape)
    layer.layer.bias.assign([0.5, -0.5, 0.0, 1.0])
    kernel, bias = (np.asarray(each, "float64") for each in layer.layer.get_weights())
    return oracle.convolution(x.astype("float64"), kernel) + bias


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("way", WAYS)
def test_it_is_the_oracle(case: str, way: str):
    make, arguments, x = CASES[case]
    layer = Standout(make(*arguments, activation="softplus"), alpha=1.5, beta=-0.3, seed=4)
    z = before(layer, x)
    kept, activity = oracle.kept_probability(z, 1.5, -0.3), np.logaddexp(z, 0.0)
    cotangent = RNG.normal(size=z.shape)
    found = step(WithDraw(layer, keras.random.uniform, z.shape), x, cotangent, way)
    outputs, u = found.outputs
    assert np.min(np.abs(u - kept)) > 1e-5  # no draw is on the edge
    np.testing.assert_allclose(outputs, activity * (u < kept), rtol=2e-5, atol=2e-5)
    # The gradient goes through the activations alone.
    axes = tuple(range(z.ndim - 1))
    expected = np.sum(cotangent * (u < kept) * oracle.sigmoid(z), axis=axes)
    np.testing.assert_allclose(found.gradients["bias"], expected, rtol=2e-4, atol=2e-5)
    found = step(layer, x, cotangent, way, training=False)
    np.testing.assert_allclose(found.outputs[0], activity * kept, rtol=2e-5, atol=2e-5)
    expected = np.sum(cotangent * kept * oracle.sigmoid(z), axis=axes)
    np.testing.assert_allclose(found.gradients["bias"], expected, rtol=2e-4, atol=2e-5)


def test_units_are_kept_as_often_as_their_probability_says():
    layer = Standout(keras.layers.Dense(4, "softplus"), seed=0)
    x = np.repeat(DENSE[:1], 40_000, axis=0)
    kept = oracle.kept_probability(before(layer, x)[0], 1.0, 0.0)
    assert np.ptp(kept) > 0.3
    outputs = keras.ops.convert_to_numpy(keras.ops.stop_gradient(layer(x, training=True)))
    assert (np.abs((outputs > 0).mean(0) - kept) < 4 * np.sqrt(kept * (1 - kept) / len(x))).all()
