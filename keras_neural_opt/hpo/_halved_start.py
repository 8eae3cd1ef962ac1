"""Successive halving of the first configurations, which then leaves the search to a pruner."""

from collections.abc import Sequence

from optuna.trial import FrozenTrial, TrialState

from keras_neural_opt._core.arguments import integer
from keras_neural_opt.hpo._halving import GoesOn, SuccessiveHalving
from keras_neural_opt.hpo._records import begins
from keras_neural_opt.hpo._space import SearchSpace

_START, _REST = 0, 1


class HalvedStart(SuccessiveHalving):
    r"""Successive halving of the first trials only; then what is worse than the median ends, and nothing is paused.

    A pruner by the median knows nothing before a few trainings are whole, and a sampler spends these on configurations
    drawn by chance. Here the first trials are paused after :math:`r \eta^k` epochs. Once all of them have begun, the
    best third of those that reached a rung goes on, at least one, from the highest rung down: a few epochs each, and
    one whole training. It finds good configurations in few epochs; choose it where time is short and the first epochs
    tell good from bad.

    It is the default of `OptunaTuner` where that does no harm. Else give it to `OptunaTuner` or `OptunaOracle` as
    `pruner`, or by the name `"halved_start"`, with a sampler that learns.

    Args:
        first: How many configurations are the start, >= 1. Defaults to 15.
        min_epochs: Epochs :math:`r` of the first rung, >= 1. Defaults to 1.
        reduction_factor: :math:`\eta`, >= 2. Defaults to 3.

    Raises:
        ValueError: An argument breaks its rule.

    Example:
        >>> import keras_neural_opt as kno
        >>> oracle = kno.hpo.OptunaOracle("val_loss", pruner=kno.hpo.HalvedStart(first=9))

    Note:
        A `HyperModel.fit` of your own must hand `initial_epoch` and the callbacks to `model.fit`. A search that is
        ended by a time limit before its start is over has no whole training.

    References:
        Jamieson, Talwalkar, Non-stochastic Best Arm Identification and Hyperparameter Optimization, 2016,
        https://arxiv.org/abs/1502.07943
    """

    first: int

    def __init__(self, first: int = 15, min_epochs: int = 1, reduction_factor: int = 3) -> None:
        super().__init__(min_epochs, reduction_factor)
        self.set_hyperparameters(first=integer(first, 1))

    def bracket_of(self, place: int) -> int:
        """Return whether the configuration at that place is of the start, 0, or of the rest, 1."""
        return _START if place < self.first else _REST

    def pauses(self, epochs: int, bracket: int) -> bool:
        """Whether a trial is paused after that many epochs."""
        return bracket == _START and super().pauses(epochs, bracket)

    def next_to_go_on(
        self, trials: Sequence[FrozenTrial], sign: float, space: SearchSpace, seed: int, ended: bool
    ) -> GoesOn | None:
        """Return the next of the start that goes on, once all of it have begun."""
        begun = sum(t.state != TrialState.WAITING for t in filter(begins, trials))
        return super().next_to_go_on(trials, sign, space, seed, ended) if ended or begun >= self.first else None

    def promoted(self, reached: int) -> int:
        """Return how many of those that reached a rung go on."""
        return max(1, super().promoted(reached))
