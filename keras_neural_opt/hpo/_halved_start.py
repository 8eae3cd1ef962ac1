"""Successive halving of the first configurations, which then leaves the search to its pruner."""

from collections.abc import Sequence

from optuna.trial import FrozenTrial

from keras_neural_opt._core.arguments import integer
from keras_neural_opt.hpo._halving import GoesOn, SuccessiveHalving
from keras_neural_opt.hpo._records import begins
from keras_neural_opt.hpo._space import SearchSpace

_START, _REST = 0, 1
_FIRST = 15


class HalvedStart(SuccessiveHalving):
    """Pauses the first configurations of a search, of which the best third of each rung goes on, at least one.

    A pruner by the median learns nothing before a few trainings are whole, which a sampler that knows nothing would
    spend on configurations drawn by chance. After the start nothing is paused.

    Args:
        first: How many configurations are the start, >= 1.
        min_epochs: As of `SuccessiveHalving`.
        reduction_factor: As of `SuccessiveHalving`.

    Raises:
        ValueError: An argument breaks its rule.
    """

    first: int

    def __init__(self, first: int, min_epochs: int = 1, reduction_factor: int = 3) -> None:
        super().__init__(min_epochs, reduction_factor)
        self.set_hyperparameters(first=integer(first, 1))

    def bracket_of(self, place: int) -> int:
        """Return whether the configuration at that place is of the start."""
        return _START if place < self.first else _REST

    def pauses(self, epochs: int, bracket: int) -> bool:
        """Whether a trial is paused after that many epochs."""
        return bracket == _START and super().pauses(epochs, bracket)

    def next_to_go_on(
        self, trials: Sequence[FrozenTrial], sign: float, space: SearchSpace, seed: int, ended: bool
    ) -> GoesOn | None:
        """Return the next of the start that goes on, once all of it have begun."""
        if not ended and sum(map(begins, trials)) < self.first:
            return None
        return super().next_to_go_on(trials, sign, space, seed, ended)

    def promoted(self, reached: int) -> int:
        """Return how many of those that reached a rung go on."""
        return max(1, super().promoted(reached))


def halved_start(max_trials: int | None) -> HalvedStart | None:
    """Return that of a search of so many trials, or None for one that is too short."""
    first = _FIRST if max_trials is None else min(_FIRST, max_trials // 3)
    return HalvedStart(first) if first >= 3 else None
