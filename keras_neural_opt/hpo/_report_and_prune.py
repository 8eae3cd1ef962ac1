"""Metrics to the oracle after each epoch, and an end where it says so."""

import time
from collections.abc import Callable
from typing import Any

import keras
from keras_tuner.src.engine import trial as kt_trial

from keras_neural_opt.hpo._objectives import PARAMETERS


class ReportAndPrune(keras.callbacks.Callback):
    """Reports the metrics of each epoch to an oracle, and stops the training where the oracle prunes the trial.

    `OptunaTuner` adds it to each trial itself; this is for loops of your own.

    Args:
        oracle: An `OptunaOracle`.
        trial: What its `create_trial` returned.
        on_pause: Called with the model where the trial is paused, and may go on later. Defaults to None.

    Example:
        >>> import keras
        >>> import numpy as np
        >>> import keras_neural_opt as kno
        >>> oracle = kno.hpo.OptunaOracle("loss", max_trials=1)
        >>> trial = oracle.create_trial("here")
        >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
        >>> model.compile(kno.optimizers.SGD(trial.hyperparameters.Float("rate", 1e-3, 1e-1, sampling="log")), "mse")
        >>> x = np.linspace(-1.0, 1.0, 16).reshape(-1, 1)
        >>> history = model.fit(x, 2 * x, epochs=2, verbose=0, callbacks=[kno.hpo.ReportAndPrune(oracle, trial)])
        >>> oracle.end_trial(trial)
        >>> [t.state.name for t in oracle.study.trials]
        ['COMPLETE']
    """

    def __init__(self, oracle: Any, trial: Any, on_pause: Callable[[Any], None] | None = None) -> None:
        super().__init__()
        self.oracle, self.trial, self.on_pause = oracle, trial, on_pause
        self._parameters: int | None = None

    def on_train_begin(self, logs: Any = None) -> None:
        """A trial that was marked to end begins anew, with another execution."""
        self._parameters = None

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Report, and stop where the oracle says so."""
        if self._parameters is None:
            self._parameters = self.model.count_params()
        metrics = {**(logs or {}), PARAMETERS: self._parameters}
        # Also where another callback has just ended it.
        final = epoch + 1 == (self.params or {}).get("epochs") or bool(self.model.stop_training)
        told = self.oracle.update_trial(self.trial.trial_id, metrics, step=epoch, final=final)
        if told.status == kt_trial.TrialStatus.STOPPED:
            self.trial.status = told.status
            if self.on_pause is not None and self.oracle.is_paused(self.trial.trial_id):
                self.on_pause(self.model)
            self.model.stop_training = True


class TrialTimeoutError(RuntimeError):
    """A trial took longer than it may."""


class StopAfter(keras.callbacks.Callback):
    """Raises `TrialTimeoutError` at the first step that begins too late.

    Args:
        seconds: How long a trial may take.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._seconds, self._end = seconds, time.monotonic() + seconds

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Look at the clock."""
        if time.monotonic() > self._end:
            raise TrialTimeoutError(f"the trial took longer than trial_timeout={self._seconds} seconds")


class BestWeights(keras.callbacks.Callback):
    """Keeps the weights of the best epoch of a trial, over all its executions.

    Args:
        objective: A `keras_tuner.Objective`.
    """

    def __init__(self, objective: Any) -> None:
        super().__init__()
        self.objective, self.best, self.weights = objective, None, None

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Copy the weights where they are the best so far, or where nobody can say."""
        value = (logs or {}).get(self.objective.name)
        if value is None or self.best is None or self.objective.better_than(value, self.best):
            self.best = value
            self.weights = self.model.get_weights()
