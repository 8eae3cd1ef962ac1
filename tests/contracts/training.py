"""Contracts on `fit`: what the trainers of the backends do with an optimizer, against a float64 twin of it all."""

import tempfile
from pathlib import Path
from typing import Any

import keras
import numpy as np

from tests.contracts.contract import contract, refusal
from tests.contracts.problem import Arrays, assert_follows, assert_same, read
from tests.contracts.running import BACKEND
from tests.contracts.subject import Subject
from tests.oracles.loop import Loop

SAMPLES, BATCH, INPUTS, OUTPUTS = 12, 4, 3, 2
MODES: tuple[dict[str, bool], ...] = {
    "tensorflow": ({"jit_compile": False}, {"jit_compile": True}),
    "jax": ({"jit_compile": True},),
    "torch": ({"jit_compile": False},),
}[BACKEND]
SERVICES: dict[str, Any] = {
    "weight_decay": 0.03,
    "global_clipnorm": 2.0,
    "use_ema": True,
    "ema_momentum": 0.7,
    "ema_overwrite_frequency": 3,
    "gradient_accumulation_steps": 2,
    "nonfinite": "skip",
}


def data() -> tuple[np.ndarray, np.ndarray]:
    """Return inputs and targets of a linear regression, in float32."""
    rng = np.random.default_rng(5)
    x = rng.normal(size=(SAMPLES, INPUTS)).astype("float32")
    return x, (x @ rng.normal(size=(INPUTS, OUTPUTS)) + 2.0).astype("float32")


def linear_model(optimizer: Any, dtype: str = "float32", **mode: bool) -> keras.Model:
    """Return a compiled linear model, with the same weights each time."""
    layer = keras.layers.Dense(OUTPUTS, dtype=dtype)
    model = keras.Sequential([keras.Input((INPUTS,)), layer])
    weights = np.random.default_rng(6).uniform(-0.5, 0.5, (INPUTS + 1, OUTPUTS))
    layer.set_weights([weights[:INPUTS], weights[INPUTS]])
    model.compile(optimizer=optimizer, loss="mse", **mode)
    return model


def fit(model: keras.Model, x: np.ndarray, y: np.ndarray, epochs: int = 2) -> None:
    model.fit(x, y, batch_size=BATCH, epochs=epochs, shuffle=False, verbose=0)


def fit_twin(loop: Loop, x: np.ndarray, y: np.ndarray, epochs: int = 2) -> None:
    """Do what `fit` does: a step a batch; in the end the average, if there is one, replaces the variables."""
    for _ in range(epochs):
        for i in range(0, SAMPLES, BATCH):
            kernel, bias = loop.variables
            inputs = x[i : i + BATCH].astype("float64")
            residual = 2 * (inputs @ kernel + bias - y[i : i + BATCH]) / (BATCH * OUTPUTS)
            loop.apply([inputs.T @ residual, residual.sum(axis=0)])
    if loop.use_ema:
        loop.variables = list(loop.average)


@contract(slow=True)
def two_fits_equal_the_twin_in_every_mode(subject: Subject) -> None:
    """Two calls of `fit`, with all services, a schedule and a NaN among the targets of one step."""
    x, y = data()
    y[5, 1] = np.nan
    for mode in MODES:
        model = linear_model(subject.make(**SERVICES), **mode)
        start = read(model.trainable_variables)
        twin = subject.twin(**SERVICES).start(start)
        trajectory: list[Arrays] = []
        expected: list[Arrays] = []
        for _ in range(2):
            fit(model, x, y)
            fit_twin(twin, x, y)
            trajectory.append(read(model.trainable_variables))
            expected.append(list(twin.variables))
        # Gradients are now computed in float32, too, from products that cancel: a digit more than without.
        assert_follows(trajectory, expected, start, 1e-5)
        assert int(model.optimizer.iterations) == twin.steps
        assert int(model.optimizer.skipped) == twin.skipped > 0


@contract(slow=True)
def resumes_a_fit_exactly(subject: Subject) -> None:
    """`fit`, save as `.keras`, load and `fit` again gives the bits of `fit` twice."""
    x, y = data()
    model = linear_model(subject.make(**SERVICES))
    fit(model, x, y)
    with tempfile.TemporaryDirectory() as folder:
        model.save(Path(folder) / "model.keras")
        loaded = keras.models.load_model(Path(folder) / "model.keras")
    for each in (model, loaded):
        fit(each, x, y)
    assert_same(read(loaded.trainable_variables), read(model.trainable_variables), "variables of resumed training")
    assert_same(read(loaded.optimizer.variables), read(model.optimizer.variables), "state of resumed training")


@contract(slow=True)
def raises_when_a_compiled_fit_met_nan(subject: Subject) -> None:
    """With `raise`, training stops moving at the first NaN, in the third step, and `fit` ends with the error."""
    x, y = data()
    bad = y.copy()
    bad[9, 1] = np.nan
    model = linear_model(subject.make(nonfinite="raise"))
    start = read(model.trainable_variables)
    message = refusal(FloatingPointError, lambda: fit(model, x, bad))
    assert subject.spec.cls.__name__ in message
    twin = subject.twin().start(start)
    for i in (0, BATCH):
        kernel, bias = twin.variables
        inputs = x[i : i + BATCH].astype("float64")
        residual = 2 * (inputs @ kernel + bias - y[i : i + BATCH]) / (BATCH * OUTPUTS)
        twin.apply([inputs.T @ residual, residual.sum(axis=0)])
    assert_follows([read(model.trainable_variables)], [twin.variables], start, 1e-5)


@contract(slow=True)
def trains_in_mixed_precision(subject: Subject) -> None:
    """Float16 activations under Keras' loss scale lead where float64 does, as near as 11 bits allow."""
    x, y = data()
    optimizer = keras.optimizers.LossScaleOptimizer(subject.make(), initial_scale=256.0)
    model = linear_model(optimizer, dtype="mixed_float16")
    start = read(model.trainable_variables)
    twin = subject.twin().start(start)
    fit(model, x, y, epochs=1)
    fit_twin(twin, x, y, epochs=1)
    assert {v.dtype for v in model.trainable_variables} == {"float32"}
    # Inputs, weights and predictions round to 2**-11; a normalized step passes the gradient's relative error on.
    assert_follows([read(model.trainable_variables)], [twin.variables], start, 0.02)
