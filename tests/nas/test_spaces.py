"""Networks of the built-in spaces but MobileNetV3, which has a file of its own."""

import math
from pathlib import Path

import keras
import numpy as np
import pytest

from keras_neural_opt.nas import SearchSpace, cell, count_flops, mlp, resnet, transformer
from keras_neural_opt.nas._cell import _edges_in_use
from tests.nas.drawing import draw

SMALL = {
    "cell": cell(cells=1, filters=4),
    "mlp": mlp(units=[4, 8]),
    "resnet": resnet(depths=[1, 2], filters=4),
    "transformer": transformer(depths=[1, 2], widths=[8, 16]),
}
SHAPES = {
    "cell": [(28, 28, 1), (8, 9, 3), (32, 32, 2)],
    "mlp": [(4,), (28, 28, 1), (5, 3)],
    "resnet": [(28, 28, 1), (40, 50, 3), (96, 96, 2)],
    "transformer": [(12, 5), (28, 28, 1), (9, 11, 3)],
}


@pytest.mark.backend_free
@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("name", SMALL)
def test_random_networks_have_the_right_output(name: str, seed: int) -> None:
    shape, classes = SHAPES[name][seed % 3], [10, 1, 100][seed // 3 % 3]
    model = SMALL[name].build(draw(SMALL[name], seed), shape, classes)
    assert model.input_shape == (None, *shape)
    assert model.output_shape == (None, classes)
    assert count_flops(model) > 0


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALL)
def test_networks_compute_probabilities_and_are_saved(name: str, tmp_path: Path) -> None:
    model = SMALL[name].build(draw(SMALL[name], 0), (8, 8, 1), 3)
    x = np.random.default_rng(0).normal(size=(2, 8, 8, 1)).astype("float32")
    probabilities = keras.ops.convert_to_numpy(model(x))
    np.testing.assert_allclose(probabilities.sum(1), 1.0, rtol=1e-5)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(keras.ops.convert_to_numpy(again(x)), probabilities, rtol=1e-6)


@pytest.mark.backend_free
@pytest.mark.parametrize("name", ["cell", "mlp", "resnet"])
@pytest.mark.parametrize("momentum", [None, 0.7])
def test_momentum_of_batch_norms(name: str, momentum: float | None) -> None:
    make = {"cell": cell, "mlp": mlp, "resnet": resnet}[name]
    space = make() if momentum is None else make(batch_norm_momentum=momentum)
    genotype = {gene.name: gene.choices()[-1] for gene in space.genes} | {"edge_0_3": "conv1x1"}
    model = space.build({n: v for n, v in genotype.items() if n in space.genes.names}, (16, 16, 1), 3)
    norms = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    assert {norm.momentum for norm in norms} == {momentum or 0.9}


@pytest.mark.backend_free
@pytest.mark.parametrize("name", SMALL)
def test_outputs_may_be_logits(name: str) -> None:
    make = {"cell": cell, "mlp": mlp, "resnet": resnet, "transformer": transformer}[name]
    logits = make(classifier_activation=None)
    model = logits.build(draw(logits, 0), SHAPES[name][1], 3)
    assert model.layers[-1].activation is keras.activations.linear


@pytest.mark.backend_free
@pytest.mark.parametrize(
    ("name", "parameters", "multiply_adds"),
    [
        # As torchvision tells them.
        ("resnet18", 11_689_512, 1_814_073_344),
        ("resnet34", 21_797_672, 3_663_761_408),
        ("resnet50", 25_557_032, 4_089_184_256),
    ],
)
def test_published_residual_networks(name: str, parameters: int, multiply_adds: int) -> None:
    model = resnet().build(resnet().named[name], (224, 224, 3), 1000)
    assert sum(math.prod(w.shape) for w in model.trainable_weights) == parameters
    assert count_flops(model) == multiply_adds


@pytest.mark.backend_free
def test_a_residual_network_for_small_images_has_no_pooling() -> None:
    def maps(strides: str) -> list[int]:
        model = resnet(filters=4, strides=strides).build(resnet().named["resnet18"], (32, 32, 3), 10)
        pooled = sum(isinstance(layer, keras.layers.MaxPooling2D) for layer in model.layers)
        convolutions = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
        return [
            pooled,
            convolutions[0].kernel_size[0],
            convolutions[0].output.shape[1],
            model.layers[-2].input.shape[1],
        ]

    assert maps("auto") == [0, 3, 32, 4]
    assert maps("imagenet") == [1, 7, 16, 1]


@pytest.mark.backend_free
@pytest.mark.parametrize(
    ("operation", "parameters"),
    # As the benchmark tells them, for CIFAR-10: 0.073306 and 1.531546 million.
    [("skip", 73_306), ("avgpool3x3", 73_306), ("conv3x3", 1_531_546)],
)
def test_cells_of_the_benchmark(operation: str, parameters: int) -> None:
    space = cell()
    assert math.prod(len(gene.choices()) for gene in space.genes) == 15_625
    model = space.build(dict.fromkeys(space.genes.names, operation), (32, 32, 3), 10)
    assert sum(math.prod(w.shape) for w in model.trainable_weights) == parameters


EDGES = dict.fromkeys(cell().genes.names, "none")


@pytest.mark.backend_free
@pytest.mark.parametrize(
    ("edges", "convolutions"),
    [
        ({"edge_0_1": "conv3x3"}, 0),  # leads nowhere
        ({"edge_1_3": "conv3x3", "edge_0_3": "skip"}, 0),  # comes from nothing
        ({"edge_1_2": "conv3x3", "edge_2_3": "conv3x3", "edge_0_3": "skip"}, 0),
        ({"edge_0_1": "conv3x3", "edge_1_3": "conv3x3"}, 2),
        ({"edge_0_1": "conv3x3", "edge_1_2": "conv1x1", "edge_2_3": "avgpool3x3", "edge_0_2": "skip"}, 2),
    ],
)
def test_a_cell_builds_what_lies_on_a_way_through_it(edges: dict[str, str], convolutions: int) -> None:
    model = SMALL["cell"].build({**EDGES, **edges}, (8, 8, 1), 3)
    of_cells = sum(isinstance(layer, keras.layers.Conv2D) for layer in model.layers) - 1 - 2 * 3
    assert of_cells == 3 * convolutions


@pytest.mark.backend_free
def test_an_edge_that_leads_nowhere_costs_nothing_to_build() -> None:
    assert _edges_in_use({**EDGES, "edge_0_1": "conv3x3", "edge_1_2": "skip"}) == {}
    assert _edges_in_use({**EDGES, "edge_0_1": "conv3x3", "edge_0_3": "skip"}) == {(0, 3): "skip"}


@pytest.mark.backend_free
def test_a_cell_adds_what_its_edges_bring() -> None:
    # Skips alone: node 1 is x, node 2 is 2 x, node 3 is 4 x.
    one, four = ({**EDGES, "edge_0_3": "skip"}, dict.fromkeys(EDGES, "skip"))
    images = np.random.default_rng(0).normal(size=(2, 8, 8, 1)).astype("float32")
    sums = []
    for genotype in (one, four):
        model = SMALL["cell"].build(genotype, (8, 8, 1), 3)
        norm = next(layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization))
        after = next(layer for layer in model.layers if isinstance(layer, keras.layers.AveragePooling2D))
        inner = keras.Model(model.inputs[0], [norm.output, after.input])
        before_cell, after_cell = (keras.ops.convert_to_numpy(y) for y in inner(images))
        sums.append(float(np.sum(after_cell * before_cell) / np.sum(before_cell**2)))
    assert sums == pytest.approx([1.0, 4.0])


@pytest.mark.backend_free
def test_a_cell_without_a_way_through_is_zero() -> None:
    model = SMALL["cell"].build(EDGES, (8, 8, 1), 3)
    images = np.random.default_rng(0).normal(size=(2, 8, 8, 1)).astype("float32")
    outputs = keras.ops.convert_to_numpy(model(images))
    np.testing.assert_array_equal(outputs[0], outputs[1])


@pytest.mark.backend_free
def test_a_perceptron_is_built_layer_by_layer() -> None:
    genotype = {"depth": 2, "layer_1_units": 8, "layer_2_units": 4}
    model = SMALL["mlp"].build({**genotype, "activation": "tanh", "dropout_rate": 0.2, "batch_norm": True}, (5, 3), 2)
    kinds = [type(layer).__name__ for layer in model.layers]
    hidden = ["Dense", "BatchNormalization", "Activation", "Dropout"]
    assert kinds == ["InputLayer", "Flatten", *hidden, *hidden, "Dense"]
    assert model.count_params() == 15 * 8 + 8 * 4 + 4 * (8 + 4) + 4 * 2 + 2
    plain = {**genotype, "activation": "relu", "dropout_rate": 0.0, "batch_norm": False}
    assert SMALL["mlp"].build(plain, (15,), 2).count_params() == 16 * 8 + 9 * 4 + 5 * 2


@pytest.mark.backend_free
def test_a_transformer_is_built_block_by_block() -> None:
    space = transformer(depths=[1, 2], widths=[8, 16], heads=[1, 2], expansions=[1, 3])
    genotype = {"depth": 2, "width": 8, "block_1_heads": 1, "block_1_expansion": 1}
    model = space.build({**genotype, "block_2_heads": 2, "block_2_expansion": 3}, (12, 5), 4)
    attention = [layer for layer in model.layers if isinstance(layer, keras.layers.MultiHeadAttention)]
    assert [(layer.num_heads, layer.key_dim) for layer in attention] == [(1, 8), (2, 4)]
    of_block = 4 * (8 * 8 + 8) + 2 * 16
    dense = [(8 * 8 + 8) * 2, 8 * 24 + 24 + 24 * 8 + 8]
    assert model.count_params() == (5 * 8 + 8) + 12 * 8 + 2 * of_block + sum(dense) + 16 + (8 * 4 + 4)


@pytest.mark.backend_free
def test_a_transformer_reads_tokens_and_patches() -> None:
    genotype = {"width": 8, "block_1_heads": 2}
    fixed = {"depths": 1, "widths": [8, 16], "heads": [1, 2], "expansions": 1}
    tokens = transformer(vocabulary_size=100, **fixed).build(genotype, (12,), 4)
    assert tokens.inputs[0].dtype == "int32"
    assert tokens.layers[1].count_params() == 100 * 8
    images = transformer(patch_size=7, **fixed).build(genotype, (28, 30, 3), 4)
    (reshaped,) = [layer for layer in images.layers if isinstance(layer, keras.layers.Reshape)]
    assert reshaped.output.shape == (None, 16, 8)


@pytest.mark.backend_free
def test_tokens_and_positions_matter() -> None:
    space = transformer(depths=1, widths=[8], heads=[1, 2], expansions=1, vocabulary_size=9, dropout_rate=0.0)
    model = space.build({"block_1_heads": 2}, (3,), 4)
    outputs = keras.ops.convert_to_numpy(model(np.array([[1, 2, 3], [3, 2, 1], [1, 2, 4]])))
    assert np.abs(outputs[0] - outputs[1]).max() > 1e-7
    assert np.abs(outputs[0] - outputs[2]).max() > 1e-5


@pytest.mark.skipif(keras.backend.backend() != "torch", reason="the others want channels last on the CPU")
def test_channels_may_come_first(monkeypatch: pytest.MonkeyPatch) -> None:
    last = {name: SMALL[name].build(draw(SMALL[name], 1), (20, 24, 3), 5) for name in SMALL}
    keras.config.set_image_data_format("channels_first")
    try:
        for name, model in last.items():
            first = SMALL[name].build(draw(SMALL[name], 1), (3, 20, 24), 5)
            assert first.count_params() == model.count_params()
            if name != "mlp":
                first.set_weights(model.get_weights())
                x = np.random.default_rng(0).normal(size=(2, 20, 24, 3)).astype("float32")
                expected = keras.ops.convert_to_numpy(model(x))
                found = keras.ops.convert_to_numpy(first(np.moveaxis(x, -1, 1)))
                np.testing.assert_allclose(found, expected, atol=1e-5)
    finally:
        keras.config.set_image_data_format("channels_last")


LIST = "or a list of such that all differ"


@pytest.mark.backend_free
@pytest.mark.parametrize(
    ("make", "arguments", "message"),
    [
        (cell, {"operations": "skip"}, "cell.operations must be two or more; received 'skip'"),
        (cell, {"cells": 0}, "cell.cells must be an integer >= 1; received 0"),
        (cell, {"filters": 1.5}, "cell.filters must be an integer >= 1; received 1.5"),
        (mlp, {"units": 0}, f"mlp.units must be an integer >= 1, {LIST}; received 0"),
        (mlp, {"dropout_rates": 1}, f"mlp.dropout_rates must be a number in [0, 1), {LIST}; received 1"),
        (mlp, {"activations": 1}, f"mlp.activations must be a non-empty string, {LIST}; received 1"),
        (mlp, {"batch_norms": 1}, f"mlp.batch_norms must be True or False, {LIST}; received 1"),
        (resnet, {"depths": 0}, f"resnet.depths must be an integer >= 1, {LIST}; received 0"),
        (resnet, {"widths": [-1]}, f"resnet.widths must be a number > 0, {LIST}; received [-1]"),
        (resnet, {"blocks": "x"}, f"resnet.blocks must be one of 'basic', 'bottleneck', {LIST}; received 'x'"),
        (resnet, {"strides": 1}, "resnet.strides must be one of 'auto', 'imagenet'; received 1"),
        (
            transformer,
            {"widths": [32, 20], "heads": [8, 4]},
            "transformer.widths must be multiples of every number of heads; received [32, 20] and [8, 4]",
        ),
        (
            transformer,
            {"vocabulary_size": 0},
            "transformer.vocabulary_size must be None or an integer >= 1; received 0",
        ),
        (transformer, {"patch_size": 0}, "transformer.patch_size must be an integer >= 1; received 0"),
    ],
)
def test_bad_arguments_are_refused(make: object, arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match="must be") as error:
        make(**arguments)
    assert str(error.value) == message


@pytest.mark.backend_free
@pytest.mark.parametrize(
    ("space", "input_shape", "message"),
    [
        (SMALL["cell"], (4,), "cell.input_shape must be (height, width, channels); received (4,)"),
        (SMALL["resnet"], (4, 4), "resnet.input_shape must be (height, width, channels); received (4, 4)"),
        (
            SMALL["transformer"],
            (12,),
            "transformer.input_shape must be (length, features) or that of an image, or there must be a"
            " vocabulary_size; received (12,)",
        ),
        (
            SMALL["transformer"],
            (3, 20, 1),
            "transformer.patch_size must be at most the pixels of a side; received 4 for (3, 20, 1)",
        ),
        (
            transformer(vocabulary_size=9),
            (12, 5),
            "transformer.input_shape must be (length,) with a vocabulary; received (12, 5)",
        ),
    ],
)
def test_bad_shapes_are_refused(space: SearchSpace, input_shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(ValueError, match="must be") as error:
        space.build(draw(space, 0), input_shape, 3)
    assert str(error.value) == message
