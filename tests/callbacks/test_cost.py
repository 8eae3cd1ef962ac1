"""What callbacks that only look cost: on JAX nothing in a step, which brings no variable back for them."""

from typing import Any

import keras
import numpy as np
import pytest

from keras_neural_opt import callbacks, optimizers, schedules

pytestmark = pytest.mark.skipif(keras.backend.backend() != "jax", reason="only JAX takes the variables away")

EPOCHS, BATCHES = 3, 10
X = np.zeros((4 * BATCHES, 2), "float32")


class Looks(keras.callbacks.Callback):
    """What must not be: a look at the model after each batch."""

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.model.optimizer.iterations.numpy()


def handed_over(callback: Any, monkeypatch: pytest.MonkeyPatch) -> int:
    """Return how many times the variables went into the compiled step."""
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    rate = schedules.Warmup(schedules.CosineAnnealing(0.1, 2, unit="epoch"), 1, unit="epoch")
    model.compile(optimizers.SGD(rate), "mse")
    times = []
    hand_over = model._get_jax_state

    def counted(**what: Any) -> Any:
        times.append(what)
        return hand_over(**what)

    monkeypatch.setattr(model, "_get_jax_state", counted)
    given = [callback, *([] if isinstance(callback, callbacks.ScheduleInEpochs) else [callbacks.ScheduleInEpochs()])]
    model.fit(X, X[:, :1], batch_size=4, epochs=EPOCHS, callbacks=given, verbose=0)
    return len(times)


@pytest.mark.parametrize(
    "make",
    [
        callbacks.LogHyperparameters,
        callbacks.ScheduleInEpochs,
        callbacks.TrainingProgress,
        lambda: callbacks.ReduceOnPlateau(monitor="loss"),
    ],
    ids=["LogHyperparameters", "ScheduleInEpochs", "TrainingProgress", "ReduceOnPlateau"],
)
def test_the_variables_are_handed_over_once_an_epoch(make: Any, monkeypatch: pytest.MonkeyPatch):
    assert handed_over(make(), monkeypatch) == EPOCHS


def test_a_monitor_asks_for_them_around_its_samples_only(monkeypatch: pytest.MonkeyPatch):
    # When a sample begins, and when it is there, which is once more at the end of an epoch.
    monitor = callbacks.TrainingMonitor(every=6)
    assert handed_over(monitor, monkeypatch) == EPOCHS * 4
    assert len(monitor.samples) == EPOCHS * 2
    assert keras.callbacks.CallbackList([monitor], add_history=True)._async_train


def test_a_look_at_each_step_would_be_seen(monkeypatch: pytest.MonkeyPatch):
    assert handed_over(Looks(), monkeypatch) == EPOCHS * BATCHES


@pytest.mark.parametrize(
    "make",
    [
        callbacks.LogHyperparameters,
        callbacks.ScheduleInEpochs,
        lambda: callbacks.ReduceOnPlateau(monitor="loss"),
    ],
    ids=["LogHyperparameters", "ScheduleInEpochs", "ReduceOnPlateau"],
)
def test_steps_run_on_without_waiting_for_it(make: Any):
    # Keras waits for the logs of each step only where a callback of it wants them.
    assert keras.callbacks.CallbackList([make()], add_history=True)._async_train
    windows = callbacks.ReduceOnPlateau(monitor="loss", every_steps=5)
    for looks in (Looks(), windows, callbacks.ReduceOnPlateau()):
        assert not keras.callbacks.CallbackList([looks], add_history=True)._async_train
