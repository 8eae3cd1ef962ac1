"""Optuna's samplers by name."""

import warnings
from collections.abc import Callable
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, NSGAIISampler, QMCSampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial

from keras_neural_opt._core.arguments import did_you_mean
from keras_neural_opt.hpo._cma_es import ReplayedCmaEsSampler
from keras_neural_opt.hpo._gp_sampler import GaussianProcessSampler
from keras_neural_opt.hpo._records import counts
from keras_neural_opt.hpo._space import SearchSpace

Maker = Callable[[int], BaseSampler]

SAMPLERS: dict[str, Callable[[int, SearchSpace], Maker]] = {
    "auto": lambda search_seed, space: lambda seed: GaussianProcessSampler(seed=seed),
    "bayesian": lambda search_seed, space: lambda seed: GaussianProcessSampler(seed=seed),
    "gp": lambda search_seed, space: lambda seed: GaussianProcessSampler(seed=seed),
    "tpe": lambda search_seed, space: lambda seed: TPESampler(seed=seed),
    "cma_es": lambda search_seed, space: lambda seed: ReplayedCmaEsSampler(seed=seed),
    "nsga2": lambda search_seed, space: lambda seed: NSGAIISampler(seed=seed),
    "grid": lambda search_seed, space: lambda seed: Enumeration(space),
    "random": lambda search_seed, space: lambda seed: RandomSampler(seed=seed),
    # One sequence for the whole search: each trial takes the next point of it.
    "qmc": lambda search_seed, space: lambda seed: QMCSampler(scramble=True, seed=search_seed % 2**31),
}


class Enumeration(RandomSampler):
    """All configurations of a finite space, one after the other.

    Args:
        space: The space.
    """

    def __init__(self, space: SearchSpace) -> None:
        super().__init__(seed=0)
        self._space = space

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Return the first that no trial has."""
        tried = [t.params for t in study.get_trials(deepcopy=False) if t.number != trial.number and counts(t)]
        return next((c for c in self._space.configurations() or [] if c not in tried), {})


def sampler_maker(sampler: Any, seed: int, space: SearchSpace) -> Maker:
    """Return what makes the sampler of a trial from the trial's seed.

    Args:
        sampler: A name of `SAMPLERS`, or a sampler of Optuna, which is then used as it is.
        seed: The seed of the search.
        space: The space known so far.

    Raises:
        ValueError: It is neither.
    """
    if isinstance(sampler, BaseSampler):
        return lambda trial_seed: sampler
    if not isinstance(sampler, str) or sampler not in SAMPLERS:
        names = ", ".join(map(repr, SAMPLERS))
        raise ValueError(
            f"OptunaOracle.sampler must be one of {names}, or a sampler of Optuna;"
            f" received {sampler!r}{did_you_mean(sampler, SAMPLERS)}"
        )
    make = SAMPLERS[sampler](seed, space)

    def quietly(trial_seed: int) -> BaseSampler:
        with warnings.catch_warnings():  # Users of a name did not ask for what is experimental in Optuna.
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            return make(trial_seed)

    return quietly
