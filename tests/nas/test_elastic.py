"""Networks that share weights: each part computes what the network of its own would with the same weights."""

import itertools
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import pytest

import keras_neural_opt as kno
from keras_neural_opt.nas._cell import _EDGES, _edges_in_use
from keras_neural_opt.nas._elastic import ElasticDepthwiseConv2D
from keras_neural_opt.nas._genes import sample
from keras_neural_opt.nas._mobilenet_v3 import _STAGES

RNG = np.random.default_rng(5)
# A cell whose second node gets nothing, so that its edges bring nothing, whatever norms would add to it.
FROM_NOTHING = {f"edge_{a}_{b}": "none" if b == 1 else "conv3x3" for a, b in _EDGES}
KINDS = {
    keras.layers.Dense: "dense",
    keras.layers.DepthwiseConv2D: "depthwise",
    ElasticDepthwiseConv2D: "depthwise",
    keras.layers.Conv2D: "conv",
    keras.layers.BatchNormalization: "norm",
}
# Of each kind of layers, in the order in which they were made, whether the network of a genotype has it.
Kept = Mapping[str, Sequence[bool]]


def of_mlp(genotype: Mapping[str, Any]) -> Kept:
    hidden = [i < genotype["depth"] for i in range(3)]
    return {"dense": [*hidden, True], "norm": hidden}


def of_cell(genotype: Mapping[str, Any]) -> Kept:
    used = _edges_in_use(genotype)
    edges = [used.get(edge) == operation for edge in _EDGES for operation in ("conv1x1", "conv3x3")]
    reduction = [True, True]
    norms = [True, *edges, *reduction, *edges, *reduction, *edges, True]
    convolutions = [True, *edges, True, *reduction, *edges, True, *reduction, *edges]
    return {"dense": [True], "norm": norms, "conv": convolutions}


def of_mobilenet_v3(genotype: Mapping[str, Any]) -> Kept:
    kept = {"depthwise": [True], "norm": [True] * 3, "conv": [True] * 2}
    for s, (_, squeeze, *_) in enumerate(_STAGES, 1):
        for b in (1, 2):
            there = [b <= genotype[f"stage_{s}_depth"]]
            kept["depthwise"] += there
            kept["norm"] += 3 * there
            kept["conv"] += (4 if squeeze else 2) * there
    kept["norm"] += [True]
    kept["conv"] += [True] * 3
    return kept


SPACES: dict[str, tuple[kno.nas.SearchSpace, tuple[int, ...], Callable[..., Kept]]] = {
    "mlp": (kno.nas.mlp([1, 2, 3], [4, 8], "tanh", 0.0, True, classifier_activation=None), (6,), of_mlp),
    "cell": (kno.nas.cell(cells=1, filters=4, classifier_activation=None), (8, 8, 2), of_cell),
    "mobilenet_v3": (
        kno.nas.mobilenet_v3([1, 2], [3, 5], [2, 3], width=0.5, classifier_activation=None),
        (24, 24, 1),
        of_mobilenet_v3,
    ),
}


def made(model: keras.Model) -> dict[str, list[Any]]:
    """Return the layers with weights by kind, in the order in which they were made."""
    found: dict[str, list[Any]] = {}
    for layer in sorted(model.layers, key=_number):
        if layer.weights:
            found.setdefault(KINDS[type(layer)], []).append(layer)
    return found


def _number(layer: Any) -> tuple[bool, int]:
    # Keras numbers the layers of a class: dense, dense_1 and so on. The first block is never elastic.
    match = re.search(r"_(\d+)$", layer.name)
    return isinstance(layer, ElasticDepthwiseConv2D), int(match[1]) if match else 0


def middle(array: Any, shape: tuple[int, ...]) -> Any:
    """Return the middle of a kernel's pixels and the first of its channels."""
    begins = [(n - m) // 2 if len(shape) == 4 and axis < 2 else 0 for axis, (n, m) in _sizes(array.shape, shape)]
    return array[tuple(slice(begin, begin + m) for begin, m in zip(begins, shape, strict=True))]


def _sizes(one: tuple[int, ...], other: tuple[int, ...]) -> Any:
    return enumerate(zip(one, other, strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("name", SPACES)
def test_a_part_computes_what_a_network_of_its_own_would(name: str) -> None:
    space, shape, kept_of = SPACES[name]
    elastic = space.elastic(shape, 3)
    # Norms add something also to channels that are not there.
    for layer in elastic.model.layers:
        layer.set_weights(
            [RNG.uniform(0.5, 1.5, w.shape) * RNG.choice([-0.4, 0.4], w.shape) for w in layer.get_weights()]
        )
    for layer in made(elastic.model)["norm"]:
        gamma, beta, mean, variance = layer.get_weights()
        layer.set_weights([gamma, beta, mean, np.abs(variance)])
    x = RNG.normal(size=(2, *shape)).astype("float32")
    genes = np.random.default_rng(2)
    outputs = {}
    drawn = [sample(space.genes, genes) for _ in range(3 - len(elastic.extremes))]
    for genotype in [*drawn, *elastic.extremes, *([FROM_NOTHING] if name == "cell" else [])]:
        checked = space.check(genotype)
        model, kept = space.build(checked, shape, 3), kept_of(checked)
        for kind, layers in made(model).items():
            sources = [each for each, there in zip(made(elastic.model)[kind], kept[kind], strict=True) if there]
            for layer, source in zip(layers, sources, strict=True):
                pairs = zip(source.get_weights(), layer.get_weights(), strict=True)
                layer.set_weights([middle(shared, own.shape) for shared, own in pairs])
        numbers = np.tile(np.array(elastic.numbers(checked), "float32"), (2, 1))
        expected = keras.ops.convert_to_numpy(model(x, training=False))
        found = keras.ops.convert_to_numpy(elastic.model([x, numbers], training=False))
        np.testing.assert_allclose(found, expected, rtol=0, atol=2e-5 * np.abs(expected).max())
        outputs[str(checked)] = expected.ravel()
    # They are different networks.
    assert min(np.abs(a / b - 1).max() for a, b in itertools.combinations(outputs.values(), 2)) > 0.01


def test_counts_are_exact_in_half_precision() -> None:
    x, count = keras.ops.ones((1, 1024), "bfloat16"), keras.ops.array([[513.0]])
    kept = kno.nas.FirstChannels(dtype="mixed_bfloat16")([x, count])
    assert float(keras.ops.convert_to_numpy(keras.ops.sum(keras.ops.cast(kept, "float32")))) == 513.0


def test_numbers_get_what_labels_stand_for() -> None:
    def build(genotype: Any, input_shape: Any, classes: int) -> keras.Model:
        return keras.Sequential([keras.Input(input_shape), keras.layers.Dense(genotype["width"])])

    def elastic(input_shape: Any, classes: int) -> kno.nas.ElasticNetwork:
        x, units = keras.Input(input_shape), keras.Input((1,))
        model = keras.Model([x, units], kno.nas.FirstChannels()([keras.layers.Dense(8)(x), units]))
        return kno.nas.ElasticNetwork(model, lambda genotype: [genotype["width"]], [{"width": "wide", "other": 1}])

    genes = [("width", "categorical", {"narrow": 2, "wide": 8})]
    made = kno.nas.SearchSpace(genes, build, elastic=elastic).elastic((4,), 3)
    assert made.numbers({"width": "narrow"}) == [2]
    assert made.extremes == [{"width": "wide"}]
