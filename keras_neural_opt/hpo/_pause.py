"""A training that is paused, and goes on in another trial as if it had not been."""

import contextlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import keras_tuner as kt

from keras_neural_opt._core.files import CorruptStateError
from keras_neural_opt.training import TrainingState
from keras_neural_opt.training._state_file import read_state

_FILE = "state.npz"
_KNOWN = ("builtins", "keras.", "keras_neural_opt.", "torch.", "tensorflow.")
_TRAINING = ("fit", "train_step", "train_function", "make_train_function", "compile")


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

    def load(self, folder: Path, model: Any, epoch: int) -> "StateGoesOn | None":
        """Go on from the state in another trial's folder.

        Args:
            folder: The folder.
            model: A model that is built and compiled as that trial's was.
            epoch: Where the training goes on, from 0.

        Returns:
            A callback that must come last, or None where the state is not there or not whole.
        """
        with contextlib.suppress(FileNotFoundError, CorruptStateError):
            own = TrainingState.capture(model)
            state = TrainingState.load(folder / _FILE, model, self._callbacks)
            # The rates are those of this trial, which may be others.
            state = replace(state, rates=own.rates, constants=own.constants)
            state.restore(model, self._callbacks)
            return StateGoesOn(epoch, self._callbacks, read_state(folder / _FILE)["callbacks"])
        return None


class StateGoesOn(keras.callbacks.Callback):
    """Gives back to callbacks that watch a metric what they forget when a `fit` begins, such as their patience.

    Others have theirs from before, but for what they make anew then, such as a file or a clock.

    Args:
        epoch: Where the training goes on, from 0.
        callbacks: The callbacks.
        states: Of each the attributes that its file has.
    """

    def __init__(self, epoch: int, callbacks: Sequence[Any], states: Sequence[dict[str, Any]]) -> None:
        super().__init__()
        self._epoch: int | None = epoch
        self._known = [pair for pair in zip(callbacks, states, strict=True) if hasattr(pair[0], "monitor_op")]

    def on_train_begin(self, logs: Any = None) -> None:
        """Give it back."""
        for callback, state in self._known:
            vars(callback).update(state)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """See that the training goes on where it was paused, before it trains what it has trained already."""
        if self._epoch not in (None, epoch):
            raise kt.errors.FatalRuntimeError(
                "what trains the model must hand initial_epoch to keras.Model.fit where trainings are paused and go on;"
                f" it goes on at epoch {epoch} instead of {self._epoch}. Else give pruner='median'"
            )
        self._epoch = None


def trains_as_keras_does(model: Any) -> bool:
    """Whether no class of the user's has a part in how the model trains, which may have a state of its own."""
    own = [cls for cls in type(model).__mro__ if not cls.__module__.startswith(_KNOWN)]
    return not any(name in vars(cls) for cls in own for name in _TRAINING)


class EverythingIsBuilt(Exception):  # noqa: N818  it says that something is done, and is no error
    """`fit` has built what it builds, and draws random numbers for, before the first epoch."""


class StopAtTheBeginning(keras.callbacks.Callback):
    """Raises `EverythingIsBuilt` before anything is trained."""

    def on_train_begin(self, logs: Any = None) -> None:
        """Stop."""
        raise EverythingIsBuilt
