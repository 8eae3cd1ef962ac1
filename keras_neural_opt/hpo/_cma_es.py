"""Optuna's CMA-ES without its pickled state in the storage."""

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from optuna._transform import _SearchSpaceTransform
from optuna.distributions import BaseDistribution
from optuna.samplers import CmaEsSampler
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial


class ReplayedCmaEsSampler(CmaEsSampler):
    """Covariance matrix adaptation (Hansen, 2016) that is computed again from the trials of the study.

    Optuna's sampler unpickles its state from the storage, where anybody who writes to it could place a program.

    Args:
        seed: The seed of the random numbers.
    """

    def __init__(self, seed: int | None = None) -> None:
        super().__init__(seed=seed, warn_independent_sampling=False)
        self._context: Any = None

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Return a configuration."""
        self._context = study, search_space
        return super().sample_relative(study, trial, search_space)

    def _restore_optimizer(self, completed_trials: Sequence[FrozenTrial]) -> Any:
        study, search_space = self._context
        transform = _SearchSpaceTransform(search_space, transform_step=True, transform_0_1=True)
        optimizer = self._init_optimizer(transform, study.direction)
        sign = 1.0 if study.direction == StudyDirection.MINIMIZE else -1.0
        key = self._attr_key_generation
        members = sorted((t for t in completed_trials if key in t.system_attrs), key=lambda t: t.system_attrs[key])
        for generation, trials in groupby(members, key=lambda t: t.system_attrs[key]):
            solutions = [(transform.transform(t.params), sign * t.value) for t in trials][: optimizer.population_size]
            # The last one is told by Optuna itself.
            if generation == members[-1].system_attrs[key] or len(solutions) < optimizer.population_size:
                break
            optimizer.tell(solutions)
        return optimizer

    def _split_optimizer_str(self, optimizer_str: str) -> dict[str, str]:
        return {}
