"""Random genotypes for tests."""

from typing import Any

import numpy as np

from keras_neural_opt.nas import SearchSpace


def draw(space: SearchSpace, seed: int) -> dict[str, Any]:
    """Return a genotype drawn evenly, gene by gene."""
    rng = np.random.default_rng(seed)
    genotype: dict[str, Any] = {}
    for gene in space.genes:
        if gene.counts(genotype):
            genotype[gene.name] = gene.choices()[rng.integers(len(gene.choices()))]
    return genotype


def draw_all(space: SearchSpace, seed: int) -> dict[str, Any]:
    """Return a genotype with a value for every gene, also for those that do not count."""
    rng = np.random.default_rng(seed)
    return {gene.name: gene.choices()[rng.integers(len(gene.choices()))] for gene in space.genes}
