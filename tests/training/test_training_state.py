"""Going back to a state is exact: what follows it is what would have followed before."""

import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import keras_neural_opt as kno
from keras_neural_opt import CorruptStateError, optimizers
from keras_neural_opt.training import TrainingState

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 3)).astype("float32")
Y = X.sum(1, keepdims=True)


def make(optimizer: Any = None) -> Any:
    model = keras.Sequential(
        [
            keras.Input((3,)),
            keras.layers.Dense(8),
            keras.layers.BatchNormalization(),
            keras.layers.Dropout(0.5),
            keras.layers.GaussianNoise(0.1, seed=3),
            keras.layers.Dense(1),
        ]
    )
    model.compile(optimizer or optimizers.Adam(0.01, use_ema=True), "mse", metrics=["mae"])
    return model


def fit(model: Any, epochs: int = 2) -> list[float]:
    history = model.fit(X, Y, batch_size=8, epochs=epochs, shuffle=True, verbose=0).history
    return [*history["loss"], *history["mae"], *np.concatenate([w.ravel() for w in model.get_weights()])]


def drawn() -> list[float]:
    keras_own = keras.ops.convert_to_numpy(keras.random.uniform((2,)))
    backend_own: list[float] = []
    if keras.backend.backend() == "torch":
        import torch

        backend_own = torch.rand(2).tolist()
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        backend_own = [*tf.random.uniform((2,)).numpy(), *tf.random.get_global_generator().uniform((2,)).numpy()]
    return [random.random(), np.random.rand(), *keras_own, *backend_own]


@pytest.mark.parametrize("trained_before", [False, True])
def test_a_training_goes_on_as_if_nothing_had_been(trained_before: bool):
    keras.utils.set_random_seed(5)
    model = make()
    if trained_before:
        fit(model)
    state = TrainingState.capture(model)
    after, numbers = fit(model), drawn()
    for _ in range(2):
        state.restore(model)
        assert fit(model) == after
        assert drawn() == numbers
    assert fit(model) != after


@pytest.mark.parametrize("rate", [0.1, kno.schedules.StepDecay(0.1, 10)], ids=["constant", "schedule"])
@pytest.mark.parametrize("trained_before", [False, True])
@pytest.mark.parametrize("wrapped", [False, True])
def test_rates_that_were_replaced_come_back(rate: Any, trained_before: bool, wrapped: bool):
    keras.utils.set_random_seed(5)
    inner: Any = optimizers.SGD(rate)
    model = make(optimizers.Lookahead(inner) if wrapped else inner)
    if trained_before:
        fit(model)
    held, count = inner._learning_rate, len(model.optimizer.variables)
    state = TrainingState.capture(model)
    after = fit(model)
    for _ in range(2):
        plateau = kno.callbacks.ReduceOnPlateau(monitor="loss", patience=1, min_delta=10.0)
        model.fit(X, Y, verbose=0, epochs=3, callbacks=[plateau])
        assert inner._learning_rate is not held
        state.restore(model)
        assert inner._learning_rate is held
        assert not trained_before or len(model.optimizer.variables) == count
        assert fit(model) == after


def test_a_rate_that_was_set_comes_back_before_the_optimizer_is_built():
    model = make(optimizers.Lookahead(optimizers.Adam(0.5)))
    before = TrainingState.capture(model)
    model.optimizer.learning_rate = 0.125
    fit(model)
    before.restore(model)
    assert float(keras.ops.convert_to_numpy(model.optimizer.learning_rate)) == 0.5


def test_a_refused_restore_changes_nothing():
    state, other = TrainingState.capture(make(optimizers.SGD(kno.schedules.StepDecay(0.1, 10)))), make()
    rate = other.optimizer._learning_rate
    for model in (other, keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])):
        with pytest.raises(ValueError, match="must get the model, optimizer and callbacks that were captured"):
            state.restore(model)
    assert other.optimizer._learning_rate is rate


def test_callbacks_that_cannot_be_copied_are_kept():
    model, progress = make(), kno.callbacks.TrainingProgress(0)
    state = TrainingState.capture(model, [progress])
    model.fit(X, Y, verbose=0, callbacks=[progress])
    state.restore(model, [progress])
    assert progress.verbose == 0


def test_callbacks_come_back():
    model, stopping = make(), keras.callbacks.EarlyStopping(monitor="loss", patience=5)
    model.fit(X, Y, verbose=0, callbacks=[stopping])
    state = TrainingState.capture(model, [stopping])
    best = stopping.best
    model.fit(X, Y, verbose=0, epochs=3, callbacks=[stopping])
    assert stopping.best != best
    state.restore(model, [stopping])
    assert stopping.best == best
    assert stopping.model is model


def test_another_model_is_refused_untouched():
    state, other = TrainingState.capture(make()), keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    before = other.get_weights()
    with pytest.raises(ValueError, match="must get the model, optimizer and callbacks that were captured"):
        state.restore(other)
    for x, y in zip(before, other.get_weights(), strict=True):
        np.testing.assert_array_equal(x, y)
    with pytest.raises(ValueError, match="must be a Keras model that is built"):
        TrainingState.capture(keras.Sequential([keras.layers.Dense(1)]))


PROGRAM = """
import sys
import keras, numpy as np
from tests.training.test_training_state import X, Y, fit, make, drawn
from keras_neural_opt.training import TrainingState
keras.utils.set_random_seed(11)
model = make()
model.evaluate(X[:8], Y[:8], verbose=0)
stopping = keras.callbacks.EarlyStopping("loss", min_delta=0.5, patience=7)
state = TrainingState.load(sys.argv[1], model, [stopping])
state.restore(model, [stopping])
np.savez(sys.argv[2], after=fit(model), drawn=drawn(), best=stopping.best, wait=stopping.wait,
         delta=stopping.min_delta, operation=stopping.monitor_op.__name__)
"""


@pytest.mark.slow
def test_another_process_goes_on_exactly(tmp_path: Path):
    keras.utils.set_random_seed(5)
    model = make()
    stopping = keras.callbacks.EarlyStopping("loss", min_delta=0.5, patience=7)
    model.fit(X, Y, batch_size=8, epochs=2, verbose=0, callbacks=[stopping])
    state = TrainingState.capture(model, [stopping])
    state.save(tmp_path / "state.npz")
    after, numbers = fit(model), drawn()
    command = [sys.executable, "-c", PROGRAM, str(tmp_path / "state.npz"), str(tmp_path / "out.npz")]
    subprocess.run(command, check=True, cwd=Path(__file__).parents[2])
    with np.load(tmp_path / "out.npz") as out:
        assert out["after"].tolist() == after
        assert out["drawn"].tolist() == numbers
        assert (out["best"], out["wait"]) == (stopping.best, stopping.wait)
        # Which way is better, and the margin, whose sign follows from that.
        assert (out["delta"], out["operation"]) == (-0.5, "less")


def test_a_file_of_another_training_is_refused(tmp_path: Path):
    path = tmp_path / "state.npz"
    model = make()
    fit(model)
    TrainingState.capture(model).save(path)
    other = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    other.compile("sgd", "mse")
    with pytest.raises(CorruptStateError, match="has other weights: number 0 is"):
        TrainingState.load(path, other)
    with pytest.raises(CorruptStateError, match="has other optimizer variables"):
        TrainingState.load(path, make(optimizers.SGD(0.1)))
    with pytest.raises(CorruptStateError, match="has other callbacks"):
        TrainingState.load(path, make(), [keras.callbacks.TerminateOnNaN()])
    content = path.read_bytes()
    for damaged in (content[:-30], content[:100], b"", b"nothing of ours"):
        path.write_bytes(damaged)
        with pytest.raises(CorruptStateError, match="is no intact training state"):
            TrainingState.load(path, make())
