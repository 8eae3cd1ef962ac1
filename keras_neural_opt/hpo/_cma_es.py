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

    Optuna's sampler unpickles its state from the storage, where anybody who writes to it could place a program. It also
    mixes the number of a trial into its seed, so that other proposals follow where one was lost.

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
        key = self._attr_key_generation
        members = sorted((t for t in completed_trials if key in t.system_attrs), key=lambda t: t.system_attrs[key])
        # The sampler begins by itself, and tells the last generation, which may lack some, itself.
        last = members[-1].system_attrs[key] if members else 0
        if last == 0:
            return None
        study, search_space = self._context
        random_state = self._cma_rng.rng.get_state()
        transform = _SearchSpaceTransform(search_space, transform_step=True, transform_0_1=True)
        optimizer = self._init_optimizer(transform, study.direction)
        self._cma_rng.rng.set_state(random_state)  # An optimizer that comes from the storage draws no numbers.
        sign = 1.0 if study.direction == StudyDirection.MINIMIZE else -1.0
        for generation, trials in groupby(members, key=lambda t: t.system_attrs[key]):
            if generation < last:
                solutions = [(transform.transform(t.params), sign * t.value) for t in trials]
                optimizer.tell(solutions[: optimizer.population_size])
        return optimizer

    def _split_optimizer_str(self, optimizer_str: str) -> dict[str, str]:
        return {}
