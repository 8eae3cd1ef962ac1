"""Local search."""

from typing import Any

import numpy as np

from keras_neural_opt._core.arguments import check_arguments, integer
from keras_neural_opt.hpo._gp import Array
from keras_neural_opt.nas._codes import INACTIVE, Codes
from keras_neural_opt.nas._finished import Finished
from keras_neural_opt.nas._genes import Genotype, alleles, repaired, sample
from keras_neural_opt.nas._genotype_sampler import GenotypeSampler


class LocalSearch(GenotypeSampler):
    r"""Local search (White et al., 2021): one gene of the best is changed, until no change is left that helps.

    A climb begins with a few random networks. Then neighbours of its best one are tried, each change of one gene once
    and in random order; a better one takes its place at once. Where all changes were tried, another climb begins.
    Choose it where measurements have little noise and neighbours are alike.

    .. math::
        x_t \sim \mathrm{Uniform}\{x : x \text{ is } x^* \text{ with one gene changed, untried}\} \qquad
        x^* = \arg\min_{x \text{ of the climb}} f(x)

    Args:
        space: The genes: a `SearchSpace` of finite kinds, or what it is made of.
        seed: An integer >= 0, of all that is random; by default another one each time.
        n_startup: Random trials with which each climb begins, >= 1. Defaults to 10.

    Raises:
        ValueError: A gene is not of a finite kind, or an argument breaks its rule.

    Example:
        >>> import optuna
        >>> from keras_neural_opt.nas import LocalSearch
        >>> optuna.logging.set_verbosity(optuna.logging.WARNING)
        >>> genes = {f"block_{i}": ("categorical", ["skip", "3x3", "5x5"]) for i in range(6)}
        >>> study = optuna.create_study(sampler=LocalSearch(genes, seed=0))
        >>> def loss(trial):
        ...     return sum(trial.suggest_categorical(name, choices) != "5x5" for name, (_, choices) in genes.items())
        >>> study.optimize(loss, n_trials=50)
        >>> study.best_value
        0.0

    Note:
        - In the paper all neighbours are tried before the best of them takes over.
        - A change that makes genes active counts as tried with one draw of these.
        - Constraints come before the objective; of several objectives each proposal minimises another random
          Chebyshev sum.

    References:
        White, Nolen, Savani, Local Search is State of the Art for Neural Architecture Search Benchmarks, 2021,
        https://arxiv.org/abs/2005.02960
    """

    def __init__(self, space: Any, seed: int | None = None, *, n_startup: int = 10) -> None:
        super().__init__(space, seed)
        self.n_startup: int = check_arguments("LocalSearch", n_startup=integer(n_startup, 1))["n_startup"]
        self._codes = Codes(self.space)

    def propose(self, known: Finished, rng: np.random.Generator) -> Genotype:
        """Return the genotype to try next."""
        codes = self._codes(known.genotypes)
        best = self._best_of_climb(codes, known.ranks(rng))
        if best is not None:
            everything = np.vstack([codes, self._codes(known.running)])
            moves = self._moves(codes[best]) - _changes(codes[best], everything)
            if moves:
                column, code = sorted(moves)[rng.integers(len(moves))]
                gene = self.space.parameters[column]
                return repaired(self.space, {**known.genotypes[best], gene.name: alleles(gene)[int(code)]}, rng)
        return self.fresh(lambda: sample(self.space, rng), known, rng)

    def _best_of_climb(self, codes: Array, ranks: np.ndarray[Any, Any]) -> int | None:
        """Return the best trial of the latest climb, or None while that begins."""
        begun, best = 0, None
        for i in range(len(codes)):
            if best is None or ranks[i] < ranks[best]:
                best = i
            if i - begun >= self.n_startup - 1 and self._moves(codes[best]) <= _changes(codes[best], codes[: i + 1]):
                begun, best = i + 1, None
        return best if len(codes) - begun >= self.n_startup else None

    def _moves(self, row: Array) -> set[tuple[int, float]]:
        """Return all changes of one active gene, as its column and its new code."""
        active = np.flatnonzero(row != INACTIVE)
        return {(int(c), float(v)) for c in active for v in range(self._codes.sizes[c]) if v != row[c]}


def _changes(row: Array, others: Array) -> set[tuple[int, float]]:
    """Return the changes of one gene that lead from a genotype to others, whatever these have that it has not."""
    differ = (others != row) & (others != INACTIVE) & (row != INACTIVE)
    near = np.flatnonzero(differ.sum(1) == 1)
    columns = differ[near].argmax(1)
    return set(zip(columns.tolist(), others[near, columns].tolist(), strict=True))
