"""The presets leave out what papers leave out, of every norm that Keras has, whatever its layer is called."""

from typing import Any

import keras
import numpy as np
import pytest

import keras_neural_opt as kno
from keras_neural_opt._core import masks

L = keras.layers


def every_norm() -> keras.Model:
    """Return a model with every norm, in layers that have the names of variables."""
    inner = keras.Sequential(
        [L.Dense(4, name="scale"), L.BatchNormalization(name="bias"), L.LayerNormalization(name="kernel")], name="gamma"
    )
    return keras.Sequential(
        [
            keras.Input((4, 4, 2)),
            L.SpectralNormalization(L.Conv2D(4, 3, name="beta")),
            L.GroupNormalization(2, name="embeddings"),
            L.Conv2D(4, 1, use_bias=False, name="batch_normalization"),
            L.RMSNormalization(),
            L.UnitNormalization(),
            inner,
            L.PReLU(shared_axes=[1, 2]),
        ],
        name="bias",
    )


KERNELS = {"beta/kernel", "batch_normalization/kernel", "scale/kernel"}
BIASES = {"beta/bias", "scale/bias"}
NORMS = {f"{norm}/{part}" for norm in ("embeddings", "bias", "kernel") for part in ("gamma", "beta")}
NORMS |= {"rms_normalization/scale"}
OTHERS = {"p_re_lu/alpha"}


def short(variable: Any) -> str:
    *_, layer, name = variable.path.split("/")
    return f"{layer.rstrip('_0123456789')}/{name}"


@pytest.mark.parametrize(
    ("preset", "expected"),
    [
        (None, KERNELS | BIASES | NORMS | OTHERS),
        ("no_bias", KERNELS | NORMS | OTHERS),
        ("no_norm_no_bias", KERNELS | OTHERS),
        ("matrices_only", KERNELS | OTHERS),
    ],
)
def test_presets_know_every_norm_by_its_variables(preset: str | None, expected: set[str]):
    variables = every_norm().trainable_variables
    assert {short(v) for v in variables} == KERNELS | BIASES | NORMS | OTHERS
    assert {short(v) for v in variables if masks.selects(preset, v)} == expected


def ones(variables: list[Any]) -> list[np.ndarray]:
    return [np.ones(v.shape, "float32") for v in variables]


def test_decay_leaves_norms_and_biases_alone():
    variables = every_norm().trainable_variables
    for variable in variables:
        variable.assign(np.full(variable.shape, 2.0))
    optimizer = kno.optimizers.SGD(0.5, weight_decay=0.1, weight_decay_mask="no_norm_no_bias")
    optimizer.apply([np.zeros(v.shape, "float32") for v in variables], variables)
    for variable in variables:
        expected = 2.0 * (1.0 - 0.05) if short(variable) in KERNELS | OTHERS else 2.0
        np.testing.assert_allclose(
            variable.numpy(), np.full(variable.shape, expected), rtol=1e-6, err_msg=variable.path
        )


def test_trust_ratios_leave_norms_and_biases_alone():
    variables = every_norm().trainable_variables
    for variable in variables:
        variable.assign(np.full(variable.shape, 2.0))
    optimizer = kno.optimizers.LARS(0.5, momentum=0.0, trust_coefficient=0.01, epsilon=0.0)
    optimizer.apply(ones(variables), variables)
    for variable in variables:
        step = 0.5 * 0.01 * 2.0 if short(variable) in KERNELS | OTHERS else 0.5
        np.testing.assert_allclose(variable.numpy(), np.full(variable.shape, 2.0 - step), rtol=1e-6)


@pytest.mark.slow
def test_lookahead_averages_scales_and_leaves_statistics_alone():
    x = np.random.default_rng(0).normal(1.0, 2.0, (16, 3)).astype("float32")
    norm = L.BatchNormalization(momentum=0.5)
    model = keras.Sequential([keras.Input((3,)), norm])
    # A fast step of SGD, and half of it back. The weights of the statistics know nothing of it.
    model.compile(kno.optimizers.Lookahead(kno.optimizers.SGD(0.1), sync_period=1), "mse")
    model.fit(x, np.zeros((16, 3)), 8, epochs=1, shuffle=False, verbose=0)
    mean, variance, gamma = np.zeros(3), np.ones(3), np.ones(3)
    for batch in (x[:8].astype("float64"), x[8:].astype("float64")):
        z = (batch - batch.mean(0)) / np.sqrt(batch.var(0) + 1e-3)
        gamma -= 0.5 * 0.1 * (2.0 * gamma * z * z).mean(0) / 3.0
        mean, variance = (mean + batch.mean(0)) / 2.0, (variance + batch.var(0)) / 2.0
    np.testing.assert_allclose(norm.moving_mean.numpy(), mean, rtol=1e-5)
    np.testing.assert_allclose(norm.moving_variance.numpy(), variance, rtol=1e-5)
    np.testing.assert_allclose(norm.gamma.numpy(), gamma, rtol=1e-5)
