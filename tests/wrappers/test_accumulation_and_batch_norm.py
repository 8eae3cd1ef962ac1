"""What a batch norm sees where gradients are accumulated: micro-batches, as many as make a step."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest

import keras_neural_opt as kno

pytestmark = pytest.mark.slow
STEPS, MICRO, MOMENTUM, RATE = 4, 6, 0.9, 0.1
RNG = np.random.default_rng(0)
# Micro-batches that differ: what they normalize by, and what large batches would, are not the same.
X = (RNG.normal(1.0, 2.0, (STEPS * MICRO, 3)) + np.repeat(np.arange(STEPS), MICRO)[:, None]).astype("float32")
Y = RNG.normal(size=(STEPS * MICRO, 1)).astype("float32")
ALL = X.astype("float64")
MICRO_BATCHES = ALL.reshape(STEPS, MICRO, 3)

OPTIMIZERS: dict[str, Callable[[], Any]] = {
    "argument": lambda: kno.optimizers.SGD(RATE, gradient_accumulation_steps=STEPS),
    "wrapper": lambda: kno.optimizers.GradientAccumulation(kno.optimizers.SGD(RATE), steps=STEPS),
    "Keras": lambda: keras.optimizers.SGD(RATE, gradient_accumulation_steps=STEPS),
}


def trained(optimizer: Any, norm: Any, batch_size: int = MICRO, x: Any = X) -> keras.Model:
    """Return a norm and a dense layer after one pass over the data, which is one step of the optimizer."""
    start = keras.initializers.Constant(0.5)
    model = keras.Sequential([keras.Input((3,)), norm, keras.layers.Dense(1, use_bias=False, kernel_initializer=start)])
    model.compile(optimizer, "mse")
    model.fit(x, Y, batch_size, shuffle=False, verbose=0)
    return model


def batch_norm(momentum: float = MOMENTUM) -> Any:
    return keras.layers.BatchNormalization(momentum=momentum, center=False, scale=False)


def stepped(*batches: np.ndarray) -> np.ndarray:
    """Return the kernel after a step along the mean gradient, where each batch is normalized by itself."""
    start, gradients = np.full((3, 1), 0.5), []
    for x, y in zip(batches, np.split(Y.astype("float64"), len(batches)), strict=True):
        z = (x - x.mean(0)) / np.sqrt(x.var(0) + 1e-3)
        gradients.append(2.0 * z.T @ (z @ start - y) / len(x))
    return start - RATE * np.mean(gradients, axis=0)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_statistics_move_with_every_micro_batch_and_are_theirs(name: str):
    model = trained(OPTIMIZERS[name](), batch_norm())
    norm, dense = model.layers
    mean, variance = np.zeros(3), np.ones(3)
    for x in MICRO_BATCHES:
        mean = MOMENTUM * mean + (1.0 - MOMENTUM) * x.mean(0)
        variance = MOMENTUM * variance + (1.0 - MOMENTUM) * x.var(0)
    np.testing.assert_allclose(norm.moving_mean.numpy(), mean, rtol=1e-5)
    np.testing.assert_allclose(norm.moving_variance.numpy(), variance, rtol=1e-5)
    # One step of the optimizer, along a gradient in which each micro-batch was normalized by itself.
    np.testing.assert_allclose(dense.kernel.numpy(), stepped(*MICRO_BATCHES), rtol=1e-5)
    assert np.abs(stepped(*MICRO_BATCHES) - stepped(ALL)).max() > 0.01
    # Their variance lacks what lies between them, in which recalibration puts it again.
    kno.training.recalibrate_batch_norm(model, X, batch_size=MICRO)
    np.testing.assert_allclose(norm.moving_mean.numpy(), ALL.mean(0), rtol=1e-5)
    np.testing.assert_allclose(norm.moving_variance.numpy(), ALL.var(0), rtol=1e-5)


def test_a_root_of_the_momentum_forgets_as_a_large_batch_does():
    same = np.tile(X[:MICRO], (STEPS, 1))  # micro-batches that do not differ
    large = trained(kno.optimizers.SGD(RATE), batch_norm(), STEPS * MICRO, same).layers[0]
    rooted = trained(OPTIMIZERS["argument"](), batch_norm(MOMENTUM ** (1 / STEPS)), x=same).layers[0]
    for variable, expected in (
        (rooted.moving_mean, large.moving_mean),
        (rooted.moving_variance, large.moving_variance),
    ):
        np.testing.assert_allclose(variable.numpy(), expected.numpy(), rtol=1e-5)
    x = MICRO_BATCHES[0]
    np.testing.assert_allclose(rooted.moving_variance.numpy(), MOMENTUM + (1 - MOMENTUM) * x.var(0), rtol=1e-5)


@pytest.mark.parametrize("norm", [keras.layers.GroupNormalization, keras.layers.LayerNormalization])
def test_norms_of_single_samples_make_accumulation_the_large_batch(norm: Any):
    options = {"groups": 1} if norm is keras.layers.GroupNormalization else {}
    accumulated = trained(OPTIMIZERS["argument"](), norm(**options))
    large = trained(kno.optimizers.SGD(RATE), norm(**options), STEPS * MICRO)
    for x, y in zip(accumulated.trainable_variables, large.trainable_variables, strict=True):
        np.testing.assert_allclose(x.numpy(), y.numpy(), rtol=1e-5, atol=1e-7)
