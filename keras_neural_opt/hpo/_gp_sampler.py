"""Search that is guided by a Gaussian process, as a sampler of Optuna."""

import secrets
from collections.abc import Mapping
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState
from scipy.stats import qmc

from keras_neural_opt._core.arguments import check_arguments, integer, optional
from keras_neural_opt.hpo._gp import Array
from keras_neural_opt.hpo._gp_acquisition import acquisition_of
from keras_neural_opt.hpo._gp_search import maximise, untried, without
from keras_neural_opt.hpo._gp_space import ConditionalSpace, Parameter
from keras_neural_opt.hpo._gp_values import constraint_values, latest, losses, scalarised, told, warped
from keras_neural_opt.hpo._records import LOST

_SOBOL_COLUMNS = 64


class GaussianProcessSampler(BaseSampler):
    r"""Bayesian optimization with a Gaussian process (Snoek et al., 2012), for any of Optuna's studies.

    A Gaussian process says, of every configuration, what loss to expect and how sure that is; the one tried next
    promises most improvement. The choice for tens to hundreds of costly trials, such as trainings; of thousands of
    cheap ones, random or evolutionary search finds the same sooner. Numbers, logarithmic and stepped ones, integers
    and categories may be mixed, and some parameters be asked for only in some trials.

    The kernel :math:`k` is a Matern 5/2 of the numbers, scaled to [0, 1], times a penalty for each category that
    differs; losses worse than the median are drawn in by their rank; the hyperparameters are the most probable ones.
    What is maximised is :math:`a`:

    .. math::
        k(x, y) = s^2 \, M_{5/2}\Big(\sqrt{\textstyle\sum_i (x_i - y_i)^2 / l_i^2}\Big)
            \exp\Big(-\textstyle\sum_j w_j [x_j \neq y_j]\Big)
            \qquad
        a(x) = \log \mathrm{E} \max(f^* - f(x), 0) + \textstyle\sum_c \log P(c(x) \leq 0)

    Args:
        seed: An integer >= 0, of all that is random; by default another one each time. A proposal depends on the seed,
            the number of the trial and the other trials of the study alone: a study that is loaded again goes on as it
            would have.
        n_startup: How many trials are spread out evenly (Sobol, scrambled) before the process guides them, >= 1.

    Raises:
        ValueError: An argument breaks its rule.

    Example:
        >>> import optuna
        >>> from keras_neural_opt.hpo import GaussianProcessSampler
        >>> optuna.logging.set_verbosity(optuna.logging.WARNING)
        >>> study = optuna.create_study(sampler=GaussianProcessSampler(seed=0))
        >>> study.optimize(lambda trial: (trial.suggest_float("x", -5.0, 5.0) - 2.0) ** 2, n_trials=20)
        >>> abs(study.best_params["x"] - 2.0) < 0.05
        True

    Note:
        - Nothing finished or running is proposed again while a finite space has something untried.
        - A running trial counts as if it came to what is expected of it; so does a failed one.
        - A pruned trial counts by the rank of its last report among those of the same step. One without a finite
          report, an infinite loss, and a failed trial with a true user attribute `diverged` count as the worst loss.
        - Several objectives: each proposal minimises another random Chebyshev sum of them (ParEGO).
        - Constraints are those of `trial.set_constraint`, which hold at most 0.
        - Whether a conditional parameter is active is learned from the discrete parameter that tells it best.
        - Of more than 500 trials the best and the latest are used. Unlike Optuna's `GPSampler` it needs no torch, and
          searches a small space whole.

    References:
        - [Practical Bayesian Optimization of Machine Learning Algorithms](https://arxiv.org/abs/1206.2944)
        - [Unexpected Improvements to Expected Improvement](https://arxiv.org/abs/2310.20708)
        - [ParEGO](https://doi.org/10.1109/TEVC.2005.851274)
    """

    def __init__(self, seed: int | None = None, *, n_startup: int = 10) -> None:
        checked = check_arguments(
            "GaussianProcessSampler", seed=optional(integer(seed, 0)), n_startup=integer(n_startup, 1)
        )
        self._n_startup: int = checked["n_startup"]
        self._seed: int = secrets.randbits(64) if checked["seed"] is None else checked["seed"]

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """Return every parameter that a trial had, as the latest had it."""
        found: dict[str, BaseDistribution] = {}
        for other in _others(study, trial):
            found.update(other.distributions)
        return {name: distribution for name, distribution in found.items() if not distribution.single()}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Return the parameters to try."""
        if not search_space:
            return {}
        place = self._place(trial)
        rng = np.random.default_rng([self._seed, place])
        trials = [other for other in _others(study, trial) if _fits(other, search_space)]
        space = ConditionalSpace(search_space, [other.params for other in trials if told(other)])
        seen = np.array([space.encode(other.params) for other in trials]).reshape(-1, len(search_space))
        is_told = np.array([told(other) for other in trials], bool)
        if is_told.sum() < self._n_startup:
            return space.decode(self._spread(space, place, seen, rng))
        known = [other for other in trials if told(other)]
        values = warped(scalarised(losses(known, study.directions), rng))
        acquisition, good = acquisition_of(
            space.categorical, seen[is_told], values, constraint_values(known), pending=seen[~is_told]
        )
        return space.decode(maximise(acquisition, space, seen, good, rng))

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """Return a value of a parameter that no trial had before."""
        parameter = Parameter(param_distribution)
        drawn = self._sobol(self._place(trial))[len(trial.params) % _SOBOL_COLUMNS]
        return parameter.decode(float(parameter.column.from_uniform(np.array([drawn]))[0]))

    def _place(self, trial: FrozenTrial) -> int:
        return trial.number

    def _spread(self, space: ConditionalSpace, number: int, seen: Array, rng: np.random.Generator) -> Array:
        drawn = np.resize(self._sobol(number), len(space.columns))
        point = np.array([c.from_uniform(drawn[i : i + 1])[0] for i, c in enumerate(space.columns)])
        new = without(space.canonical(point[None]), seen)
        return new[0] if len(new) else rng.choice(untried(space, seen, rng))

    def _sobol(self, number: int) -> Array:
        """Return a point of a sequence that fills the cube evenly, of shape `(_SOBOL_COLUMNS,)`."""
        sequence = qmc.Sobol(_SOBOL_COLUMNS, scramble=True, rng=np.random.default_rng(self._seed))
        return sequence.fast_forward(number).random(1)[0] if number else sequence.random(1)[0]


def _others(study: Study, trial: FrozenTrial) -> list[FrozenTrial]:
    trials = latest(study.get_trials(deepcopy=False))
    others = [each for each in trials if each.number != trial.number and LOST not in each.user_attrs]
    return [each for each in others if each.state != TrialState.WAITING and each.params]


def _fits(trial: FrozenTrial, space: Mapping[str, BaseDistribution]) -> bool:
    return all(
        name not in space or space[name]._contains(space[name].to_internal_repr(value))
        for name, value in trial.params.items()
    )
