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
from keras_neural_opt.hpo._proposals import Draw
from keras_neural_opt.hpo._records import counts
from keras_neural_opt.hpo._space import SearchSpace

Maker = Callable[[Draw], BaseSampler]


def _gaussian_process(search_seed: int, space: SearchSpace) -> Maker:
    return lambda draw: PlacedGaussianProcess(search_seed, draw.place + _ATTEMPT * draw.attempt, space)


# Places of a second attempt, which no search reaches.
_ATTEMPT = 2**24

SAMPLERS: dict[str, Callable[[int, SearchSpace], Maker]] = {
    "auto": _gaussian_process,
    "bayesian": _gaussian_process,
    "gp": _gaussian_process,
    "tpe": lambda search_seed, space: lambda draw: TPESampler(seed=draw.seed),
    "cma_es": lambda search_seed, space: lambda draw: ReplayedCmaEsSampler(seed=draw.seed),
    "nsga2": lambda search_seed, space: lambda draw: NSGAIISampler(seed=draw.seed),
    "grid": lambda search_seed, space: lambda draw: Enumeration(space),
    "random": lambda search_seed, space: lambda draw: RandomSampler(seed=draw.seed),
    # One sequence for the whole search: each trial takes the next point of it.
    "qmc": lambda search_seed, space: lambda draw: QMCSampler(scramble=True, seed=search_seed % 2**31),
}


class PlacedGaussianProcess(GaussianProcessSampler):
    """The Gaussian process in a search whose space is known, and whose lost trials leave no gap.

    Args:
        seed: The seed of the search.
        place: The trial's place in it.
        space: The space.
    """

    def __init__(self, seed: int, place: int, space: SearchSpace) -> None:
        super().__init__(seed)
        self._at, self._known = place, space

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """Return all that varies."""
        return {p.key: p.distribution for p in self._known if not p.distribution.single()}

    def _place(self, trial: FrozenTrial) -> int:
        return self._at


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
    """Return what makes the sampler of a draw.

    Args:
        sampler: A name of `SAMPLERS`; a sampler of Optuna, which is then used as it is; or a function of the seed and
            the space that returns one.
        seed: The seed of the search.
        space: The space known so far.

    Raises:
        ValueError: It is none of these.
    """
    if callable(sampler) and not isinstance(sampler, type):
        sampler = sampler(seed, space)
    if isinstance(sampler, BaseSampler):
        return lambda draw: sampler
    if not isinstance(sampler, str) or sampler not in SAMPLERS:
        names = ", ".join(map(repr, SAMPLERS))
        raise ValueError(
            f"OptunaOracle.sampler must be one of {names}, or a sampler of Optuna;"
            f" received {sampler!r}{did_you_mean(sampler, SAMPLERS)}"
        )
    make = SAMPLERS[sampler](seed, space)

    def quietly(draw: Draw) -> BaseSampler:
        with warnings.catch_warnings():  # Users of a name did not ask for what is experimental in Optuna.
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            return make(draw)

    return quietly
