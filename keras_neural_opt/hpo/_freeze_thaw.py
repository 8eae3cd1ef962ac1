"""Successive halving half of the time, and a model of the learning curves the other half."""

import math
from collections.abc import Sequence

from optuna.trial import FrozenTrial, TrialState

from keras_neural_opt._core.arguments import integer
from keras_neural_opt.hpo import _records as records
from keras_neural_opt.hpo._gp_curves import CurveModel, Seen
from keras_neural_opt.hpo._halving import Begins, GoesOn, SuccessiveHalving, waiting_to_go_on
from keras_neural_opt.hpo._space import SearchSpace

# So many configurations begin before the model is asked.
_STARTUP = 20
# Where no configuration may begin, a training goes on that promises so much of the deviation of what was seen.
_WORTH = 0.01


class FreezeThaw(SuccessiveHalving):
    r"""Freeze-thaw search (after Swersky et al., 2014): trainings pause, and the most promising one goes on.

    Half of the epochs go where a Gaussian process of the learning curves promises most: to a paused training, which
    then trains up to its next rung :math:`r \eta^k`, or to a new configuration. It sees each configuration after each
    of its rungs; the expected improvement is that of the whole training:

    .. math::
        f(x, e) \sim \mathrm{GP}, \qquad e = \log(\text{epochs}) / \log(\text{max\_epochs}), \qquad
        \max_x \mathrm{E} \max(f^* - f(x, 1), 0)

    The other half is asynchronous successive halving, as of `SuccessiveHalving`, among all that was begun: it guards
    against a model that is wrong. The first 20 configurations are the sampler's. Losses are seen in their logarithm
    where they are positive, and parts of one, such as accuracies, as that of what is missing.

    Choose it where time is short and the number of trials does not matter. Give it to `OptunaTuner` or `OptunaOracle`
    as `pruner`; `hyperparameter_optimization` takes the name `"freeze_thaw"`, and without `max_trials` by itself.

    Args:
        max_epochs: Epochs of a whole training, >= `min_epochs`.
        min_epochs: Epochs :math:`r` of the first rung, >= 1. Defaults to 1.
        reduction_factor: :math:`\eta`, >= 2. Defaults to 3.

    Raises:
        ValueError: An argument breaks its rule.

    Example:
        >>> import keras_neural_opt as kno
        >>> freeze_thaw = kno.hpo.FreezeThaw(max_epochs=27)
        >>> oracle = kno.hpo.OptunaOracle("val_loss", None, sampler="qmc", pruner=freeze_thaw)

    Note:
        The paper's kernel is one of decaying curves; here the epoch is one more column, which needs no assumption about
        the shape of a curve. Where no new configuration may begin, the search ends when no paused training promises an
        improvement of 1 % of the deviation of what was seen.

    References:
        - Swersky, Snoek, Adams, Freeze-Thaw Bayesian Optimization, 2014, https://arxiv.org/abs/1406.3896
        - Wistuba, Kadra, Grabocka, Supervising the Multi-Fidelity Race of Hyperparameter Configurations, 2022,
          https://arxiv.org/abs/2202.09774
    """

    max_epochs: int

    def __init__(self, max_epochs: int, min_epochs: int = 1, reduction_factor: int = 3) -> None:
        super().__init__(min_epochs, reduction_factor)
        self.set_hyperparameters(max_epochs=integer(max_epochs, self.min_epochs))

    def next_move(
        self, trials: Sequence[FrozenTrial], sign: float, space: SearchSpace, seed: int, may_begin: bool
    ) -> GoesOn | Begins | None:
        """Return what the model promises most of, or what successive halving lets on."""
        if may_begin and sum(map(records.begins, trials)) < _STARTUP:
            return None
        guided = sum(len(t.intermediate_values) for t in trials if records.GUIDED in t.user_attrs)
        if may_begin and 2 * guided > sum(len(t.intermediate_values) for t in trials):
            return super().next_move(trials, sign, space, seed, may_begin)
        seen = [each for t in trials for each in self._seen(t, sign)]
        if not seen:
            return None
        running = [t.params for t in trials if t.state == TrialState.RUNNING]
        model = CurveModel(space, seen, running, [t.params for t in trials], [seed, len(trials)])
        return self._promising(model, waiting_to_go_on(trials), may_begin)

    def _promising(self, model: CurveModel, paused: Sequence[FrozenTrial], may_begin: bool) -> GoesOn | Begins | None:
        worth = model.log_improvements([t.params for t in paused])
        best = max(range(len(paused)), key=worth.__getitem__, default=None)
        if may_begin:
            params, log_improvement = model.best_new()
            if best is None or log_improvement > worth[best]:
                return Begins(params)
        elif best is None or worth[best] < math.log(_WORTH):
            return None
        return GoesOn(paused[best], paused[best], paused[best].params, guided=True)

    def _seen(self, trial: FrozenTrial, sign: float) -> list[Seen]:
        losses = trial.intermediate_values
        rungs = [r for r in self.rungs(self.max_epochs) if r < self.max_epochs and r - 1 in losses]
        seen = [Seen(trial.params, self._share(rung), sign * losses[rung - 1]) for rung in rungs]
        if trial.state == TrialState.COMPLETE:
            seen.append(Seen(trial.params, 1.0, sign * trial.value))
        elif trial.state == TrialState.PRUNED and trial.user_attrs.get(records.REASON) != records.PAUSED:
            seen.append(Seen(trial.params, 1.0, math.inf))
        return seen

    def _share(self, epochs: int) -> float:
        return math.log(epochs) / math.log(self.max_epochs)
