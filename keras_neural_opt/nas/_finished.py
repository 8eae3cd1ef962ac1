"""What a study knows of genotypes: what was tried, and what came of it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from keras_neural_opt.hpo._gp import Array
from keras_neural_opt.hpo._gp_values import constraint_values, latest, losses, scalarised
from keras_neural_opt.hpo._parameter import is_finite
from keras_neural_opt.hpo._records import LOST, measured
from keras_neural_opt.hpo._space import SearchSpace
from keras_neural_opt.nas._genes import Genotype


@dataclass(frozen=True)
class Finished:
    """The trials that ended, in the order of their end, and the genotypes that others try now.

    Args:
        genotypes: Of the trials that ended.
        table: Their losses, one row a trial, one column an objective; of what failed the worst.
        succeeded: Whether each came to something.
        violations: By how much each breaks the constraints, together; 0 where it keeps them.
        constraints: The values of the constraints, which hold at most 0, one row a trial.
        running: The genotypes of the trials that did not end.
        known: What was known of each without a training.
    """

    genotypes: Sequence[Genotype]
    table: Array
    succeeded: np.ndarray[Any, np.dtype[np.bool_]]
    violations: Array
    constraints: Array
    running: Sequence[Genotype]
    known: Sequence[Mapping[str, float]]

    def trained(self, scores: Iterable[str]) -> "Finished":
        """Return what is known of the trials that came to something, of those that have such scores."""
        kept = [i for i, known in enumerate(self.known) if self.succeeded[i] and set(scores) <= known.keys()]
        return replace(
            self,
            genotypes=[self.genotypes[i] for i in kept],
            known=[self.known[i] for i in kept],
            table=self.table[kept],
            succeeded=self.succeeded[kept],
            violations=self.violations[kept],
            constraints=self.constraints[kept],
        )

    def ranks(self, rng: np.random.Generator) -> np.ndarray[Any, np.dtype[np.int64]]:
        """Return the place of each trial, 0 for the best: constraints first; of several objectives by a random sum."""
        if not len(self.table):
            return np.zeros(0, int)
        order = np.lexsort([scalarised(self.table, rng), self.violations])
        ranks = np.empty_like(order)
        ranks[order] = np.arange(len(order))
        return ranks

    def tried(self) -> set[frozenset[tuple[str, Any]]]:
        """Return what needs no second trial."""
        return {key_of(genotype) for genotype in (*self.genotypes, *self.running)}


def finished(study: Study, space: SearchSpace, but: FrozenTrial | None = None) -> Finished:
    """Return what the trials of a study tell, but that of one; trials of another space tell nothing."""
    others = [
        (each, genotype)
        for each in latest(study.get_trials(deepcopy=False))
        if (but is None or each.number != but.number) and LOST not in each.user_attrs
        if each.state != TrialState.WAITING
        if (genotype := space.values(each.params)) and is_whole(space, genotype)
    ]
    ended = [pair for pair in others if pair[0].state.is_finished()]
    ended.sort(key=lambda pair: (pair[0].datetime_complete, pair[0].number))
    trials = [each for each, _ in ended]
    constraints = constraint_values(trials)
    return Finished(
        [genotype for _, genotype in ended],
        losses(trials, study.directions),
        np.array([each.state == TrialState.COMPLETE and all(map(is_finite, each.values)) for each in trials], bool),
        np.maximum(constraints, 0.0).sum(1),
        constraints,
        [genotype for each, genotype in others if not each.state.is_finished()],
        [measured(each) for each in trials],
    )


def key_of(genotype: Mapping[str, Any]) -> frozenset[tuple[str, Any]]:
    """Return what equal genotypes have in common, in whatever order their genes are."""
    return frozenset(genotype.items())


def is_whole(space: SearchSpace, genotype: Mapping[str, Any]) -> bool:
    """Whether each active gene has a value that it can have."""
    return all(g.name in genotype and g.accepts(genotype[g.name]) for g in space if g.counts(genotype))
