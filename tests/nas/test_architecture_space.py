import json
import pickle

import keras
import numpy as np
import pytest

from keras_neural_opt.nas import SearchSpace, mlp
from keras_neural_opt.nas._gene_list import GeneList
from keras_neural_opt.nas._spaces import SPACES
from tests.nas.drawing import draw, draw_all

pytestmark = pytest.mark.backend_free

GENES = [
    ("depth", "int", 1, 3),
    ("units", "categorical", [8, 16]),
    ("second", "categorical", [8, 16], {"when": ("depth", [2, 3])}),
    ("gated", "boolean", {"when": ("second", 16)}),
]
BASE = {"depth": 2, "units": 8, "second": 16, "gated": True}


def model(units: int = 1) -> keras.Model:
    return keras.Sequential([keras.Input((2,)), keras.layers.Dense(units)])


def space(**arguments: object) -> SearchSpace:
    return SearchSpace(**{"genes": GENES, "build": lambda genotype: model(), **arguments})


def test_genes_that_do_not_count_are_left_out() -> None:
    assert space().check(BASE) == BASE
    assert space().check({**BASE, "second": 8}) == {"depth": 2, "units": 8, "second": 8}
    # Its parent has the right value, but does not count itself; and what does not count may be anything.
    assert space().check({**BASE, "depth": 1}) == {"depth": 1, "units": 8}
    assert space().check({"depth": 1, "units": 8, "second": "whatever"}) == {"depth": 1, "units": 8}


def test_a_genotype_has_one_form() -> None:
    disordered = {"gated": np.True_, "second": 16.0, "units": np.int64(8), "depth": np.int64(2)}
    checked = space().check(disordered)
    assert json.dumps(checked) == json.dumps(BASE)


@pytest.mark.parametrize(
    ("genotype", "message"),
    [
        (3, "genotype must be a mapping of genes to values; received 3"),
        ({**BASE, "unit": 8}, "genotype.unit must be a gene of the space; received 8; did you mean units?"),
        ({"units": 8}, "genotype.depth must be given; received the genes ['units']"),
        ({**BASE, "depth": 4}, "genotype.depth must be one of 1, 2, 3; received 4"),
        ({**BASE, "depth": 1.5}, "genotype.depth must be one of 1, 2, 3; received 1.5"),
        ({**BASE, "units": "8"}, "genotype.units must be one of 8, 16; received '8'"),
    ],
)
def test_what_is_not_of_the_space_is_refused(genotype: object, message: str) -> None:
    for use in (space().check, space().build):
        with pytest.raises(ValueError, match="genotype") as error:
            use(genotype)
        assert str(error.value) == message


def test_many_values_are_not_all_listed() -> None:
    with pytest.raises(ValueError, match="genotype") as error:
        SearchSpace([("n", "int", 1, 1000)], lambda genotype: model()).check({"n": 0})
    assert str(error.value) == "genotype.n must be one of 1, 2, ..., 1000; received 0"


def test_the_function_gets_what_it_takes() -> None:
    got = []

    def three(genotype: dict, input_shape: tuple, classes: int) -> keras.Model:
        got.append((genotype, input_shape, classes))
        return model()

    space(build=three).build({**BASE, "depth": 1}, [4, 3], np.int64(5))
    space(build=lambda genotype: got.append(genotype) or model()).build(BASE)
    assert got == [({"depth": 1, "units": 8}, (4, 3), 5), BASE]
    space(build=lambda *arguments: got.append(len(arguments)) or model()).build(BASE, (4,), 5)
    assert got[-1] == 3


def test_the_function_gets_what_labels_stand_for() -> None:
    got = []
    genes = [("activation", "categorical", {"relu": keras.ops.relu, "own": abs}), ("n", "int", 1, 2)]
    SearchSpace(genes, lambda genotype: got.append(genotype) or model()).build({"activation": "own", "n": 1})
    assert got == [{"activation": abs, "n": 1}]


@pytest.mark.parametrize(
    ("input_shape", "classes", "message"),
    [
        (None, 3, "input_shape must be a tuple of integers >= 1, at least one; received None"),
        ((), 3, "input_shape must be a tuple of integers >= 1, at least one; received ()"),
        ((None, 3), 3, "input_shape must be a tuple of integers >= 1, at least one; received (None, 3)"),
        ((4,), 0, "classes must be an integer >= 1; received 0"),
        ((4,), None, "classes must be an integer >= 1; received None"),
    ],
)
def test_bad_shapes_and_classes_are_refused(input_shape: object, classes: object, message: str) -> None:
    of_three = space(build=lambda genotype, input_shape, classes: model())
    with pytest.raises(ValueError, match="SearchSpace") as error:
        of_three.build(BASE, input_shape, classes)
    assert str(error.value) == f"SearchSpace.{message}"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"genes": [("rate", "uniform", 0.0, 1.0)]},
            "genes must have finitely many values each; received 'rate' with"
            " FloatDistribution(high=1.0, log=False, low=0.0, step=None)",
        ),
        (
            {"build": 3},
            "build must be a function of (genotype) or of (genotype, input_shape, classes); received 3",
        ),
        (
            {"build": lambda a, b: None},
            "build must be a function of (genotype) or of (genotype, input_shape, classes); received one of (a, b)",
        ),
    ],
)
def test_bad_arguments_are_refused(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match="SearchSpace") as error:
        space(**arguments)
    assert str(error.value) == f"SearchSpace.{message}"


def test_what_is_no_model_is_refused() -> None:
    with pytest.raises(ValueError, match="SearchSpace") as error:
        space(build=lambda genotype: None).build(BASE)
    assert str(error.value) == "SearchSpace.build must return a keras.Model; received None"


def test_a_named_architecture_need_not_be_of_the_genes() -> None:
    got = []
    named = {"published": {"network": "published"}}
    with_named = space(build=lambda genotype: got.append(genotype) or model(), named=named)
    assert with_named.check(with_named.named["published"]) == {"network": "published"}
    with_named.build(with_named.named["published"])
    assert got == [{"network": "published"}]
    with pytest.raises(ValueError, match="network must be a gene"):
        with_named.check({"network": "other"})
    with pytest.raises(TypeError, match="assignment"):
        with_named.named["published"]["network"] = "other"


def test_one_choice_is_no_gene() -> None:
    genes = GeneList()
    genes.add("width", [1.0])
    genes.add_repeated("depth", [2, 4], "block", kernel=[3, 5], squeeze=[True])
    assert genes.fixed == {"width": 1.0, **{f"block_{i}_squeeze": True for i in range(1, 5)}}
    deep = {"when": ("depth", [4])}
    assert genes.entries == [
        ("depth", "categorical", [2, 4]),
        ("block_1_kernel", "categorical", [3, 5]),
        ("block_2_kernel", "categorical", [3, 5]),
        ("block_3_kernel", "categorical", [3, 5], deep),
        ("block_4_kernel", "categorical", [3, 5], deep),
    ]


@pytest.mark.parametrize("name", SPACES)
def test_built_in_spaces_are_known_by_their_names_and_json(name: str) -> None:
    built_in = SPACES[name]()
    for seed in range(20):
        genotype = draw(built_in, seed)
        assert built_in.check(json.loads(json.dumps(genotype))) == genotype
        assert built_in.check(draw_all(built_in, seed)).items() <= draw_all(built_in, seed).items()


def test_inactive_genes_do_nothing() -> None:
    units = {f"layer_{i}_units": 16 for i in range(1, 5)}
    common = {"depth": 2, "activation": "relu", "dropout_rate": 0.0, "batch_norm": False}
    first = mlp().build({**common, **units}, (4,), 3)
    second = mlp().build({**common, **units, "layer_3_units": 256, "layer_4_units": 64}, (4,), 3)
    assert [w.shape for w in first.weights] == [w.shape for w in second.weights]
    assert mlp().check({**common, **units}) == {**common, "layer_1_units": 16, "layer_2_units": 16}


@pytest.mark.backend_free
@pytest.mark.parametrize("name", SPACES)
def test_a_space_goes_to_another_process(name: str) -> None:
    space = SPACES[name]()
    again = pickle.loads(pickle.dumps(space))
    assert again.genes.names == space.genes.names
    assert again.named == space.named
