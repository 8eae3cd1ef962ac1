"""Successive halving that lets the best go on, instead of stopping the others for good."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from optuna.trial import FrozenTrial, TrialState

from keras_neural_opt._core.arguments import Configurable, integer
from keras_neural_opt.hpo import _records as records
from keras_neural_opt.hpo._parameter import is_finite
from keras_neural_opt.hpo._space import SearchSpace

# Of a trial that is never paused.
NO_BRACKET = -1


class GoesOn(NamedTuple):
    """What goes on: in the place of which trial, with whose training, with which parameters as Optuna draws them."""

    follows: FrozenTrial
    continues: FrozenTrial
    params: Mapping[str, Any]


class SuccessiveHalving(Configurable):
    r"""Asynchronous successive halving (Li et al., 2020): all begin small, the best third of a rung goes on.

    A trial is paused after :math:`r \eta^k` epochs, :math:`k = 0, 1, ...` being its rung, and its training's state is
    kept: weights, optimizer, random numbers, and the numbers that callbacks hold. When it is among the best
    :math:`1 / \eta` of those that reached its rung, it goes on from there. No worker ever waits for a rung to fill.
    Choose it where the first epochs tell good from bad; where they mislead, prune by the median.

    Give it to `OptunaTuner` or `OptunaOracle` as `pruner`, or by the name `"asha"`.

    Args:
        min_epochs: Epochs :math:`r` of the first rung, >= 1. Defaults to 1.
        reduction_factor: :math:`\eta`, >= 2. Defaults to 3.

    Raises:
        ValueError: An argument breaks its rule.

    Example:
        >>> import keras_neural_opt as kno
        >>> halving = kno.hpo.SuccessiveHalving(min_epochs=1, reduction_factor=3)
        >>> halving.rungs(27)
        [1, 3, 9, 27]
        >>> oracle = kno.hpo.OptunaOracle("val_loss", pruner=halving)

    Note:
        Optuna's pruner of that name stops what is not among the best so far, for good.

    References:
        Li, Jamieson, Rostamizadeh, Gonina, Hardt, Recht, Talwalkar, A System for Massively Parallel Hyperparameter
        Tuning, 2020, https://arxiv.org/abs/1810.05934
    """

    min_epochs: int
    reduction_factor: int

    def __init__(self, min_epochs: int = 1, reduction_factor: int = 3) -> None:
        self.set_hyperparameters(min_epochs=integer(min_epochs, 1), reduction_factor=integer(reduction_factor, 2))

    def rungs(self, max_epochs: int, bracket: int = 0) -> list[int]:
        """Return the epochs after which a trial of a bracket is paused, up to `max_epochs`."""
        count = math.floor(math.log(max_epochs / self.min_epochs, self.reduction_factor) + 1e-9)
        return [self.min_epochs * self.reduction_factor**k for k in range(bracket, count + 1)]

    def bracket_of(self, place: int) -> int:
        """Return the bracket of the configuration at that place in the search: there is one only."""
        return 0

    def pauses(self, epochs: int, bracket: int) -> bool:
        """Whether a trial is paused after that many epochs."""
        return epochs in self.rungs(max(epochs, self.min_epochs), bracket)

    def next_to_go_on(
        self, trials: Sequence[FrozenTrial], sign: float, space: SearchSpace, seed: int, ended: bool
    ) -> GoesOn | None:
        """Return a paused trial that is among the best of its rung and was not let on, from the highest rung down.

        Args:
            trials: All trials of the search that count.
            sign: 1 where the objective is minimized, -1 where it is maximized.
            space: The space known so far.
            seed: The seed of the search.
            ended: Whether no new configuration begins.
        """
        paused, failed = waiting_to_go_on(trials), _failed_to_go_on(trials)
        # A search does not end without a training that is whole.
        least = int(ended and not any(t.state in (TrialState.COMPLETE, TrialState.RUNNING) for t in trials))
        for epochs, bracket in sorted({rung_of(t) for t in paused}, reverse=True):
            of_it = [t for t in trials if bracket_of(t) == bracket and t.number not in failed]
            # A training that goes on has the reports of the earlier trial, too.
            reached = [t for t in of_it if t.user_attrs.get(records.BEGUN, 0) < epochs <= len(t.intermediate_values)]
            good = sorted(reached, key=lambda t: (_rank(sign * t.intermediate_values[epochs - 1]), t.number))
            for trial in good[: max(self.promoted(len(reached)), least)]:
                if trial in paused and rung_of(trial)[0] == epochs:
                    return GoesOn(trial, trial, trial.params)
        return None

    def promoted(self, reached: int) -> int:
        """Return how many of those that reached a rung go on."""
        return reached // self.reduction_factor


class Hyperband(SuccessiveHalving):
    r"""Hyperband (Li et al., 2018): successive halving from several first rungs at once.

    Bracket :math:`s` begins at :math:`r \eta^s` epochs, with fewer configurations the higher it begins, so that each
    bracket gets about the same number of epochs: that guards against first epochs that mislead.

    Give it as `pruner`; `hyperparameter_optimization` also takes the names `"hyperband"` and, with the sampler
    `"tpe"`, `"bohb"` (Falkner et al., 2018).

    Args:
        max_epochs: Epochs of a whole training, >= `min_epochs`.
        min_epochs: Epochs :math:`r` of the lowest rung, >= 1. Defaults to 1.
        reduction_factor: :math:`\eta`, >= 2. Defaults to 3.

    Raises:
        ValueError: An argument breaks its rule.

    Example:
        >>> import keras_neural_opt as kno
        >>> hyperband = kno.hpo.Hyperband(max_epochs=27)
        >>> [hyperband.rungs(27, bracket) for bracket in range(4)]
        [[1, 3, 9, 27], [3, 9, 27], [9, 27], [27]]

    References:
        Li, Jamieson, DeSalvo, Rostamizadeh, Talwalkar, Hyperband, 2018, https://arxiv.org/abs/1603.06560; Falkner,
        Klein, Hutter, BOHB, 2018, https://arxiv.org/abs/1807.01774
    """

    max_epochs: int

    def __init__(self, max_epochs: int, min_epochs: int = 1, reduction_factor: int = 3) -> None:
        super().__init__(min_epochs, reduction_factor)
        self.set_hyperparameters(max_epochs=integer(max_epochs, self.min_epochs))

    def bracket_of(self, place: int) -> int:
        """Return the bracket of the configuration at that place in the search."""
        # The shares of the paper, one bracket after the other, over and over.
        last = len(self.rungs(self.max_epochs)) - 1
        shares = [math.ceil((last + 1) / (last - s + 1) * self.reduction_factor ** (last - s)) for s in range(last + 1)]
        place %= sum(shares)
        for bracket, share in enumerate(shares):
            if place < share:
                return bracket
            place -= share
        return last


def attributes_of(going_on: GoesOn) -> dict[str, Any]:
    """Return what a trial that goes on notes of that."""
    return {
        records.CONTINUES: going_on.continues.number,
        records.BEGUN: rung_of(going_on.continues)[0],
        records.FOLLOWS: going_on.follows.number,
        records.BRACKET: bracket_of(going_on.follows),
    }


def bracket_of(trial: FrozenTrial) -> int:
    """Return the bracket that a trial began in, or `NO_BRACKET`."""
    return int(trial.user_attrs.get(records.BRACKET, NO_BRACKET))


def rung_of(trial: FrozenTrial) -> tuple[int, int]:
    """Return after how many epochs a trial stands, and its bracket."""
    return (trial.last_step or 0) + 1, bracket_of(trial)


def _rank(value: float) -> float:
    return value if is_finite(value) else math.inf


def waiting_to_go_on(trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """Return the paused trials that no other follows."""
    followed = {t.user_attrs[records.FOLLOWS] for t in trials if records.FOLLOWS in t.user_attrs}
    return [t for t in trials if t.user_attrs.get(records.REASON) == records.PAUSED and t.number not in followed]


def _failed_to_go_on(trials: Sequence[FrozenTrial]) -> set[int]:
    """Return the numbers of paused trials in whose place others may go on, as what followed them came to nothing."""
    failed = [t for t in trials if t.state == TrialState.FAIL or _came_to_nothing(t)]
    return {t.user_attrs[records.FOLLOWS] for t in failed if records.FOLLOWS in t.user_attrs}


def _came_to_nothing(trial: FrozenTrial) -> bool:
    return records.REFUSED in trial.user_attrs or trial.user_attrs.get(records.REASON) == "diverged"
