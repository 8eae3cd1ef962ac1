"""What holds for the genotypes of any space."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_neural_opt.hpo import SearchSpace
from keras_neural_opt.nas._genes import alleles, canonical, crossover, distance, mutate, sample

pytestmark = pytest.mark.backend_free

KINDS = [
    ("categorical", ["a", "b", "c"]),
    ("categorical", [None, 3, 0.5]),
    ("boolean",),
    ("int", 1, 4),
    ("quantized", 0.0, 1.0, 0.25),
    ("categorical", ["only"]),
]
CELL = SearchSpace(
    [
        ("depth", "int", 1, 3),
        ("kernel_1", "categorical", [3, 5]),
        ("kernel_2", "categorical", [3, 5], {"when": ("depth", [2, 3])}),
        ("kernel_3", "categorical", [3, 5], {"when": ("depth", 3)}),
        ("squeeze", "boolean", {"when": [("depth", 3), ("kernel_3", 5)]}),
    ]
)


@st.composite
def spaces(draw):
    """Spaces in which a gene may depend on any one before it; the first gene varies."""
    entries = [("g0", *KINDS[draw(st.integers(0, 4))])]
    for i in range(1, draw(st.integers(1, 7))):
        entry = (f"g{i}", *KINDS[draw(st.integers(0, 5))])
        if draw(st.booleans()):
            parent = draw(st.sampled_from(SearchSpace(entries).parameters))
            allowed = draw(st.lists(st.sampled_from(alleles(parent)), min_size=1, max_size=2, unique=True))
            entry = (*entry, {"when": (parent.name, allowed)})
        entries.append(entry)
    return SearchSpace(entries)


seeds = st.integers(0, 2**32 - 1)


def is_valid(space, genotype):
    active, so_far = [], {}
    for gene in space:
        if all(so_far.get(parent, KINDS) in values for parent, values in gene.when):
            active.append(gene.name)
            so_far[gene.name] = genotype.get(gene.name, KINDS)
    values = {gene.name: alleles(gene) for gene in space}
    return list(genotype) == active and all(value in values[name] for name, value in genotype.items())


@given(spaces(), seeds)
@settings(deadline=None)
def test_a_sample_is_valid_and_canonical(space, seed):
    genotype = sample(space, np.random.default_rng(seed))
    assert is_valid(space, genotype)
    assert canonical(space, genotype) == genotype


@given(spaces(), seeds)
@settings(deadline=None)
def test_a_mutation_changes_one_active_gene_and_what_depends_on_it(space, seed):
    rng = np.random.default_rng(seed)
    before = sample(space, rng)
    after = mutate(space, before, rng)
    assert is_valid(space, after)
    assert [before[name] != after[name] for name in before.keys() & after.keys()].count(True) == 1
    assert distance(space, before, after) >= 1


@given(spaces(), seeds)
@settings(deadline=None)
def test_a_child_has_each_gene_from_a_parent_that_has_it(space, seed):
    rng = np.random.default_rng(seed)
    a, b = sample(space, rng), sample(space, rng)
    child = crossover(space, a, b, rng)
    assert is_valid(space, child)
    for name, value in child.items():
        assert value in [parent[name] for parent in (a, b) if name in parent] or name not in a.keys() | b.keys()


@given(spaces(), seeds)
@settings(deadline=None)
def test_distance_is_a_metric(space, seed):
    rng = np.random.default_rng(seed)
    a, b, c = (sample(space, rng) for _ in range(3))
    assert distance(space, a, b) == distance(space, b, a)
    assert (distance(space, a, b) == 0) == (a == b)
    assert distance(space, a, c) <= distance(space, a, b) + distance(space, b, c)


def test_every_gene_and_every_value_is_moved_to():
    rng = np.random.default_rng(0)
    before = {"depth": 2, "kernel_1": 3, "kernel_2": 5}
    after = [mutate(CELL, before, rng) for _ in range(300)]
    moved = [next(n for n in ("depth", "kernel_1", "kernel_2") if a.get(n, 5) != before[n]) for a in after]
    # A third each: 100 +- 8.
    assert all(65 < moved.count(name) < 135 for name in before)
    assert {a["depth"] for a in after} == {1, 2, 3}


def test_a_gene_that_becomes_active_is_drawn():
    rng = np.random.default_rng(0)
    after = [mutate(CELL, {"depth": 1, "kernel_1": 3}, rng) for _ in range(200)]
    deep = [a for a in after if a["depth"] == 3]
    assert {(a["kernel_2"], a["kernel_3"], a.get("squeeze")) for a in deep} == {
        *((k, 3, None) for k in (3, 5)),
        *((k, 5, squeeze) for k in (3, 5) for squeeze in (False, True)),
    }


def test_both_parents_give_genes():
    rng = np.random.default_rng(0)
    a, b = {"depth": 2, "kernel_1": 3, "kernel_2": 3}, {"depth": 2, "kernel_1": 5, "kernel_2": 5}
    children = {tuple(crossover(CELL, a, b, rng).values()) for _ in range(60)}
    assert children == {(2, x, y) for x in (3, 5) for y in (3, 5)}


def test_what_is_inactive_is_a_value_of_its_own():
    shallow = {"depth": 1, "kernel_1": 3}
    assert distance(CELL, shallow, {"depth": 3, "kernel_1": 3, "kernel_2": 3, "kernel_3": 3}) == 3
    assert distance(CELL, shallow, {**shallow, "kernel_3": 5}) == 0
    assert canonical(CELL, {"kernel_3": 5, **shallow}) == shallow


def test_what_is_no_genotype_is_refused():
    with pytest.raises(ValueError, match=r"kernel_2 must be given; received the genes \['depth', 'kernel_1'\]"):
        canonical(CELL, {"depth": 2, "kernel_1": 3})
    with pytest.raises(ValueError, match=r"genotype\.depth must be one of 1, 2, 3; received 9"):
        canonical(CELL, {"depth": 9, "kernel_1": 3})
    with pytest.raises(ValueError, match=r"search_space\.rate must be of a finite kind; received FloatDistribution"):
        sample(SearchSpace([("rate", "uniform", 0.0, 1.0)]), np.random.default_rng(0))
    fixed = SearchSpace([("kind", "categorical", ["only"])])
    with pytest.raises(ValueError, match=r"genotype must have a gene that can have another value; received"):
        mutate(fixed, {"kind": "only"}, np.random.default_rng(0))
