"""What all strategies have in common as samplers of Optuna."""

import secrets
from collections.abc import Callable
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.study import Study
from optuna.trial import FrozenTrial

from keras_neural_opt._core.arguments import check_arguments, integer, optional
from keras_neural_opt.hpo._records import begins
from keras_neural_opt.hpo._space import SearchSpace
from keras_neural_opt.nas._finished import Finished, finished, key_of
from keras_neural_opt.nas._genes import Genotype, alleles, sample

# So often a strategy may make what was tried; then anything that was not is taken.
_TRIES = 100


class GenotypeSampler(BaseSampler):
    """Proposes genotypes; what it proposes depends on the seed, the trial's place and the other trials alone.

    Args:
        space: The genes: a `SearchSpace`, or what it is made of.
        seed: An integer >= 0, of all that is random; by default another one each time.

    Raises:
        ValueError: A gene is not of a finite kind, or the seed breaks its rule.
    """

    def __init__(self, space: Any, seed: int | None = None) -> None:
        self.space = space if isinstance(space, SearchSpace) else SearchSpace(space)
        # A space of which every network has only genes that are fixed is one of a single network.
        if not any(len(alleles(gene)) > 1 for gene in self.space):
            raise ValueError(f"{type(self).__name__}.space must have a gene that varies; received {self.space.names}")
        checked = check_arguments(type(self).__name__, seed=optional(integer(seed, 0)))
        self._seed: int = secrets.randbits(64) if checked["seed"] is None else checked["seed"]

    def propose(self, known: Finished, rng: np.random.Generator) -> Genotype:
        """Return the genotype to try next."""
        raise NotImplementedError

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """Return all genes."""
        return {gene.key: gene.distribution for gene in self.space}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Return the genes to try, as Optuna draws them."""
        known = finished(study, self.space, but=trial)
        return self.space.drawn(self.propose(known, self._rng(study, trial)))

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """Return a random value of what is no gene."""
        drawn = RandomSampler(int(self._rng(study, trial).spawn(len(trial.params) + 1)[-1].integers(2**31)))
        return drawn.sample_independent(study, trial, param_name, param_distribution)

    def fresh(self, make: Callable[[], Genotype], known: Finished, rng: np.random.Generator) -> Genotype:
        """Return what `make` makes and nobody tried; where it makes no such, anything; where all was tried, that."""
        tried = known.tried()
        for source in (make, lambda: sample(self.space, rng)):
            for _ in range(_TRIES):
                genotype = source()
                if key_of(genotype) not in tried:
                    return genotype
        drawn = self.space.configurations() or []
        untried = [g for g in map(self.space.values, drawn) if key_of(g) not in tried]
        return untried[rng.integers(len(untried))] if untried else sample(self.space, rng)

    def _rng(self, study: Study, trial: FrozenTrial) -> np.random.Generator:
        # Trials that were lost, or that go on, leave no gap.
        place = sum(map(begins, study.get_trials(deepcopy=False)[: trial.number]))
        return np.random.default_rng([self._seed, place])
