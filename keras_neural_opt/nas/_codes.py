"""Genotypes as rows of numbers, for what compares many at once."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from keras_neural_opt.hpo._gp import Array, Priors
from keras_neural_opt.hpo._space import SearchSpace
from keras_neural_opt.nas._genes import alleles

INACTIVE = -1.0


class Codes:
    """Which value of its gene each number stands for; of an inactive gene it is -1.

    Args:
        space: The genes.
    """

    def __init__(self, space: SearchSpace) -> None:
        self._genes = [(gene.name, {value: float(code) for code, value in enumerate(alleles(gene))}) for gene in space]
        # A training comes to something else each time, and the more genes, the less each matters. With the priors of
        # hyperparameters, which believe what was measured, what is expected of a network is what was measured of it.
        weight = (math.log(2.0 / len(self._genes)), 2.0)
        self.priors = Priors(category=weight, noise=(math.log(1e-2), 2.0), rough=False)
        self.sizes = np.array([len(codes) for _, codes in self._genes])

    def __call__(self, genotypes: Sequence[Mapping[str, Any]]) -> Array:
        """Return one row a genotype, one column a gene."""
        rows = [[codes[g[name]] if name in g else INACTIVE for name, codes in self._genes] for g in genotypes]
        return np.array(rows, float).reshape(-1, len(self._genes))
