"""A training that is paused, and goes on in another trial as if it had not been."""

import contextlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras

from keras_neural_opt._core.files import CorruptStateError
from keras_neural_opt.training import TrainingState

_FILE = "state.npz"


class Pause:
    """The state of a trial's training in its folder.

    Args:
        folder: The folder of the trial.
        callbacks: The callbacks whose state belongs to the training.
    """

    def __init__(self, folder: Path, callbacks: Sequence[Any]) -> None:
        self._folder, self._callbacks = folder, callbacks

    def save(self, model: Any) -> None:
        """Keep the state."""
        TrainingState.capture(model, self._callbacks).save(self._folder / _FILE)

    def load(self, folder: Path, model: Any) -> bool:
        """Go on from the state in another trial's folder; return whether it is there, and whole."""
        with contextlib.suppress(FileNotFoundError, CorruptStateError):
            own = TrainingState.capture(model)
            state = TrainingState.load(folder / _FILE, model, self._callbacks)
            # The rates are those of this trial, which may be others.
            state = replace(state, rates=own.rates, constants=own.constants)
            state.restore(model, self._callbacks)
            return True
        return False


class EverythingIsBuilt(Exception):  # noqa: N818  it says that something is done, and is no error
    """`fit` has built what it builds, and draws random numbers for, before the first epoch."""


class StopAtTheBeginning(keras.callbacks.Callback):
    """Raises `EverythingIsBuilt` before anything is trained."""

    def on_train_begin(self, logs: Any = None) -> None:
        """Stop."""
        raise EverythingIsBuilt
