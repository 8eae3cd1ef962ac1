"""How a search stands: what became of its trials, which are best, and how long it may still take."""

import time
from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from keras_neural_opt.hpo import _records as records
from keras_neural_opt.hpo._result import SearchedTrial, searched_trial, state_of

# So many trials tell how long one takes, besides those that were first: these compile, and are slow.
_ESTIMATED_FROM = 2


@dataclass(frozen=True)
class Standing:
    """How a search stands at a moment.

    Args:
        states: How many trials are in each state.
        finished: How many configurations have ended, or were paused, at least once.
        latest: The trials that began last, from the earliest on.
        best: The best trials, the best first.
        epochs: What all trials spent.
        total: How many trials there will be at most, or None.
        seconds: Since the search began here.
        left: Seconds that it may still take, or None where nobody can say yet.
    """

    states: Counter[str]
    finished: int
    latest: list[SearchedTrial]
    best: list[SearchedTrial]
    epochs: int
    total: int | None
    seconds: float
    left: float | None


class Watch:
    """Looks at a search again and again, also one that others run.

    Args:
        oracle: An `OptunaOracle`.
        time_limit: Seconds after which no trial begins, or None.
    """

    def __init__(self, oracle: Any, time_limit: float | None) -> None:
        self._oracle, self._time_limit = oracle, time_limit
        self._began = time.monotonic()
        configurations = oracle.space().configurations() if len(oracle.space()) else None
        limits = [oracle.max_trials, None if configurations is None else len(configurations)]
        self.total = min((limit for limit in limits if limit is not None), default=None)
        self.finished_before = _finished(self._trials())
        self._first: tuple[int, float] | None = None

    def _trials(self) -> list[FrozenTrial]:
        return [t for t in self._oracle.study.get_trials(deepcopy=False) if records.counts(t)]

    def look(self, latest: int, best: int) -> Standing:
        """Return how the search stands.

        Args:
            latest: How many of the trials that began last to return.
            best: How many of the best to return.
        """
        trials, space = self._trials(), self._oracle.space()
        begun = [trial for trial in trials if trial.state != TrialState.WAITING]
        finished = _finished(trials)
        seconds = time.monotonic() - self._began
        return Standing(
            Counter(map(state_of, trials)),
            finished,
            [self._so_far(trial, searched_trial(trial, space)) for trial in begun[-latest:]],
            [searched_trial(trial, space) for trial in self._oracle.best()[:best]],
            sum(map(records.epochs_of_its_own, trials)),
            self.total,
            seconds,
            self._left(finished, seconds),
        )

    def _so_far(self, trial: FrozenTrial, searched: SearchedTrial) -> SearchedTrial:
        # Its history is written down at its end.
        reported = list(trial.intermediate_values.values())
        return searched if searched.history else replace(searched, history={self._oracle.objectives[0].name: reported})

    def since(self, numbers: set[int]) -> list[SearchedTrial]:
        """Return the trials that ended since, and add their numbers to those that are known."""
        space = self._oracle.space()
        new = [t for t in self._trials() if t.state.is_finished() and t.number not in numbers]
        numbers.update(trial.number for trial in new)
        return [searched_trial(trial, space) for trial in new]

    def _left(self, finished: int, seconds: float) -> float | None:
        here = finished - self.finished_before
        limits = [] if self._time_limit is None else [max(self._time_limit - seconds, 0.0)]
        if here and self._first is None:
            self._first = here, seconds
        count, since = self._first or (0, 0.0)
        # When all have begun, how long those go on that were paused nobody can say.
        if self.total is not None and here - count >= _ESTIMATED_FROM and finished < self.total:
            limits.append((seconds - since) / (here - count) * (self.total - finished))
        return min(limits, default=None)


def _finished(trials: list[FrozenTrial]) -> int:
    return sum(records.begins(trial) and trial.state.is_finished() for trial in trials)
