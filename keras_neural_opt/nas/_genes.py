"""Genotypes, as pure functions: a flat dict of the active genes of a network by name, and nothing else.

Genes are hyperparameters of a finite kind; one whose conditions do not hold is inactive, and no genotype has it. So two
genotypes are equal exactly where they mean the same network.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from keras_neural_opt.hpo._parameter import Parameter
from keras_neural_opt.hpo._space import SearchSpace

Genotype = dict[str, Any]

# An error lists no more values than that.
_LISTED = 10


def alleles(gene: Parameter) -> tuple[Any, ...]:
    """Return all values that a gene can have.

    Raises:
        ValueError: These are not finitely many.
    """
    choices = gene.choices()
    if choices is None:
        raise ValueError(f"search_space.{gene.name} must be of a finite kind; received {gene.distribution}")
    return tuple(gene.value(choice) for choice in choices)


def sample(space: SearchSpace, rng: np.random.Generator) -> Genotype:
    """Return a random genotype, all values of a gene alike likely."""
    return _built(space, lambda gene: _drawn(gene, rng))


def mutate(space: SearchSpace, genotype: Mapping[str, Any], rng: np.random.Generator) -> Genotype:
    """Return the genotype with another value of one active gene; genes that become active are drawn.

    Raises:
        ValueError: No active gene can have another value.
    """
    movable = [gene for gene in space if gene.counts(genotype) and not gene.distribution.single()]
    if not movable:
        raise ValueError(f"genotype must have a gene that can have another value; received {dict(genotype)}")
    moved = movable[rng.integers(len(movable))]
    others = [value for value in alleles(moved) if value != genotype[moved.name]]
    return repaired(space, {**genotype, moved.name: others[rng.integers(len(others))]}, rng)


def crossover(space: SearchSpace, a: Mapping[str, Any], b: Mapping[str, Any], rng: np.random.Generator) -> Genotype:
    """Return a child that has each gene from one of its parents; what neither has and becomes active is drawn."""
    mixed = {name: value for pair in (a, b) for name, value in pair.items()}
    mixed |= {name: (a if rng.random() < 0.5 else b)[name] for name in a if name in b}
    return repaired(space, mixed, rng)


def bred(space: SearchSpace, parents: list[Genotype], rng: np.random.Generator) -> Genotype:
    """Return a mutant of one of the parents or a child of two, each as often."""
    a, b = (parents[rng.integers(len(parents))] for _ in range(2))
    return mutate(space, a, rng) if rng.random() < 0.5 else crossover(space, a, b, rng)


def canonical(space: SearchSpace, genotype: Mapping[str, Any]) -> Genotype:
    """Return the genotype without its inactive genes, in the order of the space, with values as they were declared.

    Raises:
        ValueError: An active gene is missing or cannot have its value.
    """
    return _built(space, lambda gene: _value(gene, genotype))


def distance(space: SearchSpace, a: Mapping[str, Any], b: Mapping[str, Any]) -> int:
    """Return how many genes differ; to be inactive is a value of its own."""
    a, b = canonical(space, a), canonical(space, b)
    return sum(name not in a or name not in b or a[name] != b[name] for name in a.keys() | b.keys())


def repaired(space: SearchSpace, genotype: Mapping[str, Any], rng: np.random.Generator) -> Genotype:
    """Return the genotype without its inactive genes, those drawn that are active and missing."""
    return _built(space, lambda gene: genotype[gene.name] if gene.name in genotype else _drawn(gene, rng))


def _built(space: SearchSpace, value: Callable[[Parameter], Any]) -> Genotype:
    # Parents come first in a space, so that each condition is decided when it is asked for.
    genotype: Genotype = {}
    for gene in space:
        if gene.counts(genotype):
            genotype[gene.name] = value(gene)
    return genotype


def _drawn(gene: Parameter, rng: np.random.Generator) -> Any:
    values = alleles(gene)
    return values[rng.integers(len(values))]


def _value(gene: Parameter, genotype: Mapping[str, Any]) -> Any:
    if gene.name not in genotype:
        raise ValueError(f"genotype.{gene.name} must be given; received the genes {list(genotype)}")
    value = genotype[gene.name]
    if not gene.accepts(value):
        raise ValueError(f"genotype.{gene.name} must be one of {_listed(gene)}; received {value!r}")
    # Optuna's way there and back turns 3.0 or a NumPy integer into the value that was declared.
    d = gene.distribution
    return gene.value(d.to_external_repr(d.to_internal_repr(gene.drawn(value))))


def _listed(gene: Parameter) -> str:
    texts = [repr(gene.value(choice)) for choice in gene.choices() or ()]
    return ", ".join(texts if len(texts) <= _LISTED else [*texts[:2], "...", texts[-1]])
