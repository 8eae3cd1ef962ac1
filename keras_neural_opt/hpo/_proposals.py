"""Proposals that depend on the seed and the study alone, and that never repeat themselves without need."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from keras_neural_opt.hpo._records import begins, counts
from keras_neural_opt.hpo._space import SearchSpace

# So often a sampler may propose what was tried; then any configuration that was not is taken.
_TRIES = 4


class Draw(NamedTuple):
    """What tells one draw of a search from all others: a seed of its own, the trial's place, which attempt it is."""

    seed: int
    place: int
    attempt: int


class SpaceSampler(BaseSampler):
    """Draws whole configurations of a space that is known, with any sampler of Optuna inside.

    A sampler's random numbers begin anew with each trial, from the seed and the trial's place in the search, so that a
    search that is stopped and resumed goes on as if it had not been. Trials that were lost leave no gap.

    Args:
        make: Returns a new sampler for a draw.
        space: The space known so far.
        seed: The seed of the search.
    """

    def __init__(self, make: Callable[[Draw], BaseSampler], space: SearchSpace, seed: int) -> None:
        self._make, self._space, self._seed = make, space, seed
        self._places: dict[int, int] = {}

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """Return all that is known."""
        return {p.key: p.distribution for p in self._space}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Return a configuration that was not tried, if there is one; what was enqueued needs none."""
        if self._is_given(trial):
            return {}
        trials = study.get_trials(deepcopy=False)
        self._places[trial.number] = sum(map(begins, trials[: trial.number]))
        tried = [t.params for t in trials if t.number != trial.number and counts(t)]
        drawn: dict[str, Any] = {}
        for attempt in range(_TRIES):
            drawn = self._draw(study, trial, attempt)
            # Equality is fast and takes True for 1, which the text does not.
            if not any(drawn == params and _frozen(drawn) == _frozen(params) for params in tried):
                return drawn
        frozen = set(map(_frozen, tried))
        untried = [c for c in self._space.configurations() or [] if _frozen(c) not in frozen]
        return (
            untried[np.random.default_rng(self._seeds(study, trial, _TRIES)).integers(len(untried))]
            if untried
            else drawn
        )

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """Return a value of a parameter that was not known before."""
        return self._sampler(study, trial).sample_independent(study, trial, param_name, param_distribution)

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Pass it on."""
        self._sampler(study, trial).before_trial(study, trial)

    def after_trial(self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None) -> None:
        """Pass it on."""
        self._sampler(study, trial).after_trial(study, trial, state, values)

    def _is_given(self, trial: FrozenTrial) -> bool:
        given = trial.system_attrs.get("fixed_params", {})
        values = self._space.values(given)
        return bool(given) and all(p.key in given or not p.counts(values) for p in self._space)

    def _draw(self, study: Study, trial: FrozenTrial, attempt: int) -> dict[str, Any]:
        sampler = self._sampler(study, trial, attempt)
        together = sampler.sample_relative(study, trial, sampler.infer_relative_search_space(study, trial))
        drawn: dict[str, Any] = {}
        for p in self._space:
            if p.counts(self._space.values(drawn)):
                alone = p.key not in together
                draw = sampler.sample_independent(study, trial, p.key, p.distribution) if alone else together[p.key]
                drawn[p.key] = draw
        return drawn

    def _sampler(self, study: Study, trial: FrozenTrial, attempt: int = 0) -> BaseSampler:
        seed = int(self._seeds(study, trial, attempt).generate_state(1)[0] >> 1)
        return self._make(Draw(seed, self._place(study, trial), attempt))

    def _seeds(self, study: Study, trial: FrozenTrial, attempt: int) -> np.random.SeedSequence:
        return np.random.SeedSequence([self._seed, self._place(study, trial), attempt])

    def _place(self, study: Study, trial: FrozenTrial) -> int:
        if trial.number not in self._places:
            before = study.get_trials(deepcopy=False)[: trial.number]
            self._places[trial.number] = sum(map(begins, before))
        return self._places[trial.number]


def exhausted(study: Study, space: SearchSpace) -> bool:
    """Whether every configuration of a finite space was tried."""
    configurations = space.configurations() if len(space) else None
    if configurations is None:
        return False
    tried = {_frozen(t.params) for t in study.get_trials(deepcopy=False) if counts(t)}
    return all(_frozen(c) in tried for c in configurations)


def _frozen(drawn: Mapping[str, Any]) -> str:
    return json.dumps(drawn, sort_keys=True)
