"""Signs of life: a running trial's process counts in the storage, and others see whether it goes on counting."""

import contextlib
import threading
import weakref
from collections.abc import Sequence
from typing import Any

import optuna
from optuna.storages import InMemoryStorage
from optuna.trial import FrozenTrial

from keras_neural_opt.hpo import _records as records
from keras_neural_opt.hpo._owners import is_gone

# Seconds: between two beats, and without one before a trial is lost.
BEAT, GRACE = 5.0, 20.0
# The part of the grace of a trial that nobody owns.
_UNOWNED = 0.1


class Pulse:
    """Counts up in the storage while a trial runs, in a thread that ends with the trial or the object.

    Args:
        study: The study.
        trial: The trial's number in the storage, not in the study.
        seconds: Between two beats.
    """

    def __init__(self, study: optuna.Study, trial: int, seconds: float = BEAT) -> None:
        self._over, self._refused = threading.Event(), threading.Event()
        # Nobody else sees what is in memory.
        if not isinstance(study._storage, InMemoryStorage):
            arguments = (study._storage, trial, seconds, self._over, self._refused)
            threading.Thread(target=_beat, args=arguments, name="kno-pulse", daemon=True).start()
        weakref.finalize(self, self._over.set)

    @property
    def refused(self) -> bool:
        """Whether the trial was written off by others."""
        return self._refused.is_set()

    def stop(self) -> None:
        """Beat no more."""
        self._over.set()


def _beat(storage: Any, trial: int, seconds: float, over: threading.Event, refused: threading.Event) -> None:
    count = 0
    while not over.wait(seconds):
        count += 1
        try:
            storage.set_trial_user_attr(trial, records.BEAT, count)
        except optuna.exceptions.UpdateFinishedTrialError:
            refused.set()
            return
        except Exception:
            # A database may be away for a moment. Where it stays away, the trial's own reports fail.
            with contextlib.suppress(Exception):
                storage.remove_session()


class Observer:
    """Tells which running trials are lost, by the clock of this process alone: those of machines differ.

    Args:
        grace: Seconds without a new beat after which a trial is lost.
    """

    def __init__(self, grace: float = GRACE) -> None:
        self._grace = grace
        self._looked: float | None = None
        self._silent: dict[int, tuple[Any, float]] = {}

    def lost(self, running: Sequence[FrozenTrial], now: float) -> list[FrozenTrial]:
        """Return the trials whose process ended on this machine, or has shown no sign of life.

        Args:
            running: The trials that run elsewhere.
            now: Seconds of a clock that never goes back.
        """
        # Half the grace at most for one look: an observer that was stopped itself finds nobody dead when it wakes.
        passed = 0.0 if self._looked is None else min(now - self._looked, self._grace / 2)
        self._looked = now
        before, self._silent = self._silent, {}
        for trial in running:
            sign = (trial.user_attrs.get(records.OWNER), trial.user_attrs.get(records.BEAT))
            same, silent = before.get(trial.number, (None, 0.0))
            self._silent[trial.number] = (sign, silent + passed if sign == same else 0.0)
        return [t for t in running if _has_ended(t) or self._silent[t.number][1] > self._patience(t)]

    def _patience(self, trial: FrozenTrial) -> float:
        # A trial is owned at once, unless its process was killed in between.
        return self._grace if records.OWNER in trial.user_attrs else self._grace * _UNOWNED


def _has_ended(trial: FrozenTrial) -> bool:
    owner = trial.user_attrs.get(records.OWNER)
    return owner is not None and is_gone(owner)
