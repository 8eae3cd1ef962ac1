"""NSGA-II without generations."""

from typing import Any

import numpy as np

from keras_neural_opt._core.arguments import check_arguments, integer
from keras_neural_opt.hpo._gp import Array
from keras_neural_opt.nas._finished import Finished
from keras_neural_opt.nas._genes import Genotype, crossover, mutate, sample
from keras_neural_opt.nas._genotype_sampler import GenotypeSampler


class NSGAII(GenotypeSampler):
    r"""NSGA-II (Deb et al., 2002) in a steady state (Durillo et al., 2009): the front has children where it is thin.

    Parents are the best :math:`P` of all trials: first by the front that they are in, :math:`r`, then by how far their
    neighbours on it are, :math:`c`. The winners of two tournaments of two have a child: each gene is one of theirs,
    then one is changed. No generation is waited for. Choose it for several objectives and hundreds of cheap trials.

    .. math::
        x \prec y \iff r(x) < r(y) \text{ or } r(x) = r(y) \text{ and } c(x) > c(y) \qquad
        x_t = \mathrm{mutate}(\mathrm{cross}(\min_\prec\{a, b\}, \min_\prec\{c, d\}))

    Args:
        space: The genes: a `SearchSpace` of finite kinds, or what it is made of.
        seed: An integer >= 0, of all that is random; by default another one each time.
        population: Parents :math:`P`, >= 2; as many random trials come first. Defaults to 20.

    Raises:
        ValueError: A gene is not of a finite kind, or an argument breaks its rule.

    Example:
        >>> import optuna
        >>> from keras_neural_opt.nas import NSGAII
        >>> optuna.logging.set_verbosity(optuna.logging.WARNING)
        >>> genes = {f"block_{i}": ("categorical", [0, 1, 2]) for i in range(6)}
        >>> study = optuna.create_study(sampler=NSGAII(genes, seed=0), directions=["minimize", "maximize"])
        >>> def cost_and_value(trial):
        ...     sizes = [trial.suggest_categorical(name, choices) for name, (_, choices) in genes.items()]
        ...     return sum(sizes), sum(size**0.5 for size in sizes)
        >>> study.optimize(cost_and_value, n_trials=100)
        >>> len({tuple(trial.values) for trial in study.best_trials}) >= 8
        True

    Note:
        - Optuna's sampler of that name begins with 50 random trials, and waits for generations of 50.
        - A trial that breaks constraints loses against one that breaks them less. What was tried is not tried again.

    References:
        - Deb, Pratap, Agarwal, Meyarivan, A Fast and Elitist Multiobjective Genetic Algorithm: NSGA-II, 2002,
          https://doi.org/10.1109/4235.996017
        - Durillo, Nebro, Luna, Alba, On the Effect of the Steady-State Selection Scheme in Multi-Objective Genetic
          Algorithms, 2009, https://doi.org/10.1007/978-3-642-01020-0_18
    """

    def __init__(self, space: Any, seed: int | None = None, *, population: int = 20) -> None:
        super().__init__(space, seed)
        self.population: int = check_arguments("NSGAII", population=integer(population, 2))["population"]

    def propose(self, known: Finished, rng: np.random.Generator) -> Genotype:
        """Return the genotype to try next."""
        if len(known.genotypes) < self.population:
            return self.fresh(lambda: sample(self.space, rng), known, rng)
        parents = crowded_order(known.table, known.violations)[: self.population]

        def winner() -> Genotype:
            return known.genotypes[parents[rng.integers(len(parents), size=2).min()]]

        def child() -> Genotype:
            return mutate(self.space, crossover(self.space, winner(), winner(), rng), rng)

        return self.fresh(child, known, rng)


def crowded_order(table: Array, violations: Array) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Return the trials, the best first: by violation, then by front, then those with distant neighbours on it.

    Args:
        table: One row a trial, one column an objective; less is better.
        violations: Of each trial, of shape `(trials,)`.
    """
    fronts, crowding = front_of_each(table, violations), np.empty(len(table))
    for front in np.unique(fronts):
        crowding[fronts == front] = crowding_distance(table[fronts == front])
    return np.lexsort([-crowding, fronts])


def front_of_each(table: Array, violations: Array) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Return the number of the front of each trial, 0 for those that nothing dominates."""
    alike = violations[:, None] == violations
    better = np.all(table[:, None] <= table, 2) & np.any(table[:, None] < table, 2)
    dominates = (violations[:, None] < violations) | (alike & better)
    fronts, left = np.full(len(table), -1), np.ones(len(table), bool)
    while left.any():
        front = left & ~dominates[left].any(0)
        fronts[front] = fronts.max() + 1
        left &= ~front
    return fronts


def crowding_distance(front: Array) -> Array:
    """Return how far the neighbours of each point of a front are, in each objective relative to its range."""
    distance = np.zeros(len(front))
    for values in front.T:
        order = np.argsort(values, kind="stable")
        width = values[order[-1]] - values[order[0]]
        gaps = np.full(len(front), np.inf)
        gaps[1:-1] = (values[order[2:]] - values[order[:-2]]) / (width or 1.0)
        distance[order] += gaps
    return distance
