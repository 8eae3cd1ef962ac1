"""Concrete dropout: its draw, its divergence, and the rate that they find."""

import functools
from typing import Any

import keras
import numpy as np
import pytest

import keras_neural_opt as kno
from keras_neural_opt.layers import ConcreteDropout
from tests.layers.steps import WAYS, WithDraw, step
from tests.oracles import adaptive_dropout as oracle

RNG = np.random.default_rng(0)
DENSE, IMAGES = RNG.normal(size=(6, 5)).astype("float32"), RNG.normal(size=(3, 6, 5, 4)).astype("float32")
uniform = functools.partial(keras.random.uniform, minval=keras.config.epsilon(), maxval=1.0)
CASES = {
    "dense": (keras.layers.Dense, (2,), DENSE, (6, 5)),
    "sequence": (keras.layers.Dense, (2,), IMAGES[0], (6, 1, 4)),
    "images": (keras.layers.Conv2D, (2, 3), IMAGES, (3, 1, 1, 4)),
}


def arrays(layer: Any) -> list[np.ndarray]:
    return [np.asarray(weights, "float64") for weights in layer.layer.get_weights()]


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("way", WAYS)
def test_it_is_the_oracle_given_the_same_draw(case: str, way: str):
    make, arguments, x, shape = CASES[case]
    settings = {"kl_weight": 0.03, "length_scale": 0.7, "initial_rate": 0.3, "temperature": 0.4, "seed": 7}
    layer = ConcreteDropout(make(*arguments, bias_initializer="ones"), **settings)
    both = WithDraw(layer, uniform, shape)
    for _ in range(2):  # the second draw is another one
        cotangent = RNG.normal(size=layer.compute_output_shape(x.shape))
        found = step(both, x, cotangent, way)
        outputs, u = found.outputs
        kernel, bias = arrays(layer)

        def total(rate: float, u: Any = u, kernel: Any = kernel, bias: Any = bias) -> tuple[np.ndarray, float]:
            dropped = oracle.concrete(x.astype("float64"), rate, 0.4, u.astype("float64"))
            return oracle.convolution(dropped, kernel) + bias, 0.03 * oracle.concrete_divergence(
                kernel, rate, x.shape[-1], 0.7
            )

        expected, losses = total(0.3)
        np.testing.assert_allclose(outputs, expected, rtol=2e-5, atol=2e-5)
        assert found.losses == pytest.approx(losses, rel=1e-6)
        # With respect to the logit, by finite differences.
        ends = []
        for sign in (1, -1):
            outputs, losses = total(float(oracle.sigmoid(np.log(0.3 / 0.7) + sign * 1e-5)))
            ends.append(np.sum(cotangent * outputs) + losses)
        slope = (ends[0] - ends[1]) / 2e-5
        assert found.gradients["rate_logit"] == pytest.approx(slope, rel=1e-4, abs=1e-4)


def test_the_kernel_feels_the_prior():
    layer = ConcreteDropout(keras.layers.Dense(2), kl_weight=0.5, length_scale=2.0, initial_rate=0.25)
    found = step(layer, DENSE, 0.0, training=False)
    np.testing.assert_allclose(found.gradients["kernel"], 0.5 * 4.0 / 0.75 * arrays(layer)[0], rtol=1e-6)


def test_channels_first_drops_channels():
    layer = ConcreteDropout(keras.layers.Conv2D(2, 1, data_format="channels_first"), 0.1, initial_rate=0.5, seed=3)
    layer.build((3, 4, 6, 5))
    u = keras.ops.convert_to_numpy(uniform((3, 4, 1, 1), seed=keras.random.SeedGenerator(3)))
    x = np.moveaxis(IMAGES, -1, 1)
    dropped = keras.ops.convert_to_numpy(layer._dropped(keras.ops.convert_to_tensor(x)))
    np.testing.assert_allclose(dropped, oracle.concrete(x, 0.5, 0.1, u), rtol=2e-5, atol=1e-6)
    assert layer.channels == 4


@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_a_cold_draw_is_bernoulli(rate: float):
    layer = ConcreteDropout(keras.layers.Dense(1), 0.0, initial_rate=rate, temperature=1e-3, seed=0)
    layer.build((None, 400))
    kept = keras.ops.convert_to_numpy(layer._dropped(keras.ops.ones((500, 400)))) * (1 - rate)
    assert np.mean((kept < 0.01) | (kept > 0.99)) > 0.99
    assert np.mean(kept) == pytest.approx(1 - rate, abs=4 * np.sqrt(rate * (1 - rate) / kept.size))


@pytest.mark.slow
def test_fit_goes_to_the_rate_of_least_loss():
    # No data at all: the inputs are zeros, so only the divergence is left. With this kernel its minimum is known.
    layer = ConcreteDropout(
        keras.layers.Dense(2, kernel_initializer="ones", use_bias=False), kl_weight=0.1, length_scale=1.0
    )
    layer.layer.trainable = False
    model = keras.Sequential([keras.Input((3,)), layer])
    model.compile(kno.optimizers.Adam(0.05), "mse")
    history = model.fit(np.zeros((8, 3)), np.zeros((8, 2)), batch_size=1, epochs=40, verbose=0).history["loss"]
    rates = np.linspace(0.001, 0.999, 9981)
    kernel = np.ones((3, 2))
    losses = [0.1 * oracle.concrete_divergence(kernel, rate, 3, 1.0) for rate in rates]
    assert layer.rate == pytest.approx(rates[np.argmin(losses)], abs=2e-3)
    assert history[-1] == pytest.approx(min(losses), abs=1e-5)
    assert model.evaluate(np.zeros((8, 3)), np.zeros((8, 2)), verbose=0) == pytest.approx(min(losses), abs=1e-5)


def test_a_mask_keeps_weight_decay_off_the_rate():
    layer = ConcreteDropout(keras.layers.Dense(1), 0.0)
    layer.build((None, 3))
    optimizer = kno.optimizers.AdamW(0.1, weight_decay=0.5, weight_decay_mask=["!rate_logit"])
    kernel = arrays(layer)[0]
    zeros = [keras.ops.zeros(variable.shape) for variable in layer.trainable_variables]
    optimizer.apply(zeros, layer.trainable_variables)
    assert layer.rate == pytest.approx(0.1, rel=1e-6)
    np.testing.assert_allclose(arrays(layer)[0], 0.95 * kernel, rtol=1e-6)
