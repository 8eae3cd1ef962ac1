import keras
import numpy as np
import pytest

from keras_neural_opt.nas import SearchSpace, count_flops, mobilenet_v3
from keras_neural_opt.nas._images import fitting_strides
from tests.nas.drawing import draw

KERAS = {"large": keras.applications.MobileNetV3Large, "small": keras.applications.MobileNetV3Small}


def published(space: SearchSpace, name: str, input_shape: tuple[int, ...], classes: int) -> keras.Model:
    return space.build(space.named[name], input_shape, classes)


PUBLISHED = [
    ("large", 224, 1000, 5_507_432),
    ("small", 224, 1000, 2_554_968),
    ("large", 32, 10, 4_239_242),
    ("small", 32, 10, 1_540_218),
]


@pytest.mark.backend_free
@pytest.mark.slow
@pytest.mark.parametrize(("name", "pixels", "classes", "parameters"), PUBLISHED)
def test_the_published_networks_are_those_of_keras(name: str, pixels: int, classes: int, parameters: int) -> None:
    check_against_keras(name, pixels, classes, parameters)


@pytest.mark.slow
def test_the_smallest_is_that_of_keras_on_every_backend() -> None:
    check_against_keras(*PUBLISHED[-1])


def check_against_keras(name: str, pixels: int, classes: int, parameters: int) -> None:
    shape = (pixels, pixels, 3)
    theirs = KERAS[name](input_shape=shape, classes=classes, weights=None)
    ours = published(mobilenet_v3(strides="imagenet", include_preprocessing=True), name, shape, classes)
    assert ours.count_params() == theirs.count_params() == parameters
    assert ours.output_shape == theirs.output_shape
    assert [w.shape for w in ours.weights] == [w.shape for w in theirs.weights]
    rng = np.random.default_rng(0)
    # Biases, scales and statistics that differ everywhere, so that a batch norm in the wrong place shows.
    for w in theirs.weights:
        if len(w.shape) == 1:
            w.assign_add(rng.uniform(0, 0.5, w.shape).astype("float32"))
    ours.set_weights(theirs.get_weights())
    images = rng.uniform(0, 255, (2, *shape)).astype("float32")
    expected = keras.ops.convert_to_numpy(theirs(images, training=False))
    found = keras.ops.convert_to_numpy(ours(images, training=False))
    assert np.ptp(expected) > 0.01 / classes
    np.testing.assert_allclose(found, expected, atol=1e-5 / classes, rtol=1e-5)


@pytest.mark.backend_free
@pytest.mark.parametrize("alpha", [0.75, 1.25])
@pytest.mark.parametrize("name", KERAS)
def test_width_is_the_alpha_of_keras(name: str, alpha: float) -> None:
    theirs = KERAS[name](input_shape=(32, 32, 3), classes=10, weights=None, alpha=alpha)
    ours = published(mobilenet_v3(width=alpha), name, (32, 32, 3), 10)
    assert [w.shape for w in ours.weights] == [w.shape for w in theirs.weights]


@pytest.mark.backend_free
def test_multiply_adds_of_the_published_networks() -> None:
    space = mobilenet_v3(strides="imagenet")
    counts = {name: count_flops(published(space, name, (224, 224, 3), 1000)) for name in KERAS}
    assert counts == {"large": 216_589_760, "small": 56_510_400}
    theirs = KERAS["small"](input_shape=(224, 224, 3), weights=None)
    assert count_flops(theirs) == counts["small"]


@pytest.mark.backend_free
def test_the_genes_are_those_of_once_for_all() -> None:
    genes = mobilenet_v3().genes
    assert len(genes) == 5 * (1 + 4 * 2)
    by_name = {gene.name: gene for gene in genes}
    assert by_name["stage_1_block_3_kernel"].when == (("stage_1_depth", (3, 4)),)
    assert by_name["stage_5_block_4_expansion"].when == (("stage_5_depth", (4,)),)
    assert by_name["stage_2_block_2_kernel"].when == ()
    assert by_name["stage_2_block_2_kernel"].choices() == (3, 5, 7)
    assert by_name["stage_2_block_2_expansion"].choices() == (3, 4, 6)


@pytest.mark.backend_free
def test_a_genotype_is_built_block_by_block() -> None:
    space = mobilenet_v3(depths=[1, 2], kernels=[3, 5], expansions=[3, 6], strides="imagenet")
    genotype = {f"stage_{s}_{gene}": v for s in range(1, 6) for gene, v in _OF_STAGE.items()}
    genotype |= {"stage_2_depth": 2, "stage_2_block_2_kernel": 5, "stage_2_block_2_expansion": 6}
    model = space.build(genotype, (64, 64, 3), 10)
    depthwise = [layer for layer in model.layers if isinstance(layer, keras.layers.DepthwiseConv2D)]
    assert [layer.kernel_size[0] for layer in depthwise] == [3, 3, 3, 5, 3, 3, 3]
    assert [layer.input.shape[-1] for layer in depthwise] == [16, 48, 72, 240, 120, 240, 336]
    assert [layer.output.shape[1] for layer in depthwise] == [32, 16, 8, 8, 4, 4, 2]
    squeezed = [layer.output.shape[-1] for layer in model.layers if isinstance(layer, keras.layers.Multiply)]
    assert squeezed == [72, 240, 240, 336]
    activations = [layer.activation.__name__ for layer in model.layers if isinstance(layer, keras.layers.Activation)]
    # Stem; first block; stages 1 and 2, with 3 blocks of 2 activations; 3 later stages; last convolution; classes.
    assert activations == ["hard_silu", *["relu"] * 7, *["hard_silu"] * 7, "softmax"]


_OF_STAGE = {"depth": 1, "block_1_kernel": 3, "block_1_expansion": 3}


@pytest.mark.backend_free
@pytest.mark.parametrize("seed", range(20))
def test_random_networks_have_the_right_output(seed: int) -> None:
    space = mobilenet_v3()
    shape, classes = [((28, 28, 1), 10), ((32, 32, 3), 100), ((48, 40, 2), 1)][seed % 3]
    model = space.build(draw(space, seed), shape, classes)
    assert model.output_shape == (None, classes)
    assert model.input_shape == (None, *shape)


@pytest.mark.backend_free
@pytest.mark.parametrize(
    ("size", "expected"),
    [(224, [2, 1, 2, 2, 2, 1, 2]), (65, [2, 1, 2, 2, 2, 1, 2]), (64, [1, 1, 2, 2, 2, 1, 2])]
    + [(n, [1, 1, 1, 2, 2, 1, 2]) for n in (32, 28, 17)]
    + [(16, [1, 1, 1, 1, 2, 1, 2]), (1, [1] * 7)],
)
def test_small_images_are_halved_less_often(size: int, expected: list[int]) -> None:
    assert fitting_strides([2, 1, 2, 2, 2, 1, 2], (size, 300, 3)) == expected


@pytest.mark.backend_free
def test_automatic_strides_reach_the_network() -> None:
    def last(strides: str, pixels: int) -> int:
        model = published(mobilenet_v3(strides=strides), "small", (pixels, pixels, 1), 10)
        (pooled,) = [x for x in model.layers if isinstance(x, keras.layers.GlobalAveragePooling2D)][-1:]
        return pooled.input.shape[1]

    assert (last("auto", 28), last("imagenet", 28)) == (4, 1)
    assert (last("auto", 96), last("imagenet", 96)) == (3, 3)


@pytest.mark.backend_free
def test_resolution_and_width_are_genes_where_there_is_a_choice() -> None:
    space = mobilenet_v3(depths=1, kernels=3, expansions=[3, 6], width=[0.5, 1.0], resolution=[16, 32])
    assert space.genes.names[:2] == ["width", "resolution"]
    genotype = {**{f"stage_{s}_block_1_expansion": 3 for s in range(1, 6)}, "width": 0.5, "resolution": 16}
    model = space.build(genotype, (32, 32, 3), 10)
    (resized,) = [layer for layer in model.layers if isinstance(layer, keras.layers.Resizing)]
    assert resized.output.shape == (None, 16, 16, 3)
    assert space.build({**genotype, "width": 1.0}, (32, 32, 3), 10).count_params() > 2 * model.count_params()
    own = space.build({**genotype, "resolution": 32}, (32, 32, 3), 10)
    assert not any(isinstance(layer, keras.layers.Resizing) for layer in own.layers)
    assert published(space, "large", (32, 32, 3), 10).count_params() == 4_239_242


@pytest.mark.backend_free
def test_options_reach_the_network() -> None:
    space = mobilenet_v3(dropout_rate=0.0, batch_norm_momentum=0.7, classifier_activation=None)
    layers = published(space, "small", (32, 32, 3), 10).layers
    assert {layer.momentum for layer in layers if isinstance(layer, keras.layers.BatchNormalization)} == {0.7}
    assert not any(isinstance(layer, (keras.layers.Dropout, keras.layers.Rescaling)) for layer in layers)
    assert isinstance(layers[-1], keras.layers.Flatten)
    by_default = published(mobilenet_v3(), "small", (32, 32, 3), 10).layers
    assert {layer.momentum for layer in by_default if isinstance(layer, keras.layers.BatchNormalization)} == {0.9}
    assert [layer.rate for layer in by_default if isinstance(layer, keras.layers.Dropout)] == [0.2]


@pytest.mark.backend_free
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"width": 0}, "width must be a number > 0, or a list of such that all differ; received 0"),
        ({"depths": []}, "depths must be an integer >= 1, or a list of such that all differ; received []"),
        ({"kernels": [3, 3]}, "kernels must be an integer >= 1, or a list of such that all differ; received [3, 3]"),
        ({"expansions": [0]}, "expansions must be a number > 0, or a list of such that all differ; received [0]"),
        (
            {"resolution": 0.5},
            "resolution must be None or an integer >= 1, or a list of such that all differ; received 0.5",
        ),
        ({"strides": "autos"}, "strides must be one of 'auto', 'imagenet'; received 'autos'; did you mean auto?"),
        ({"dropout_rate": 1}, "dropout_rate must be a number in [0, 1); received 1"),
        ({"batch_norm_momentum": 1.0}, "batch_norm_momentum must be a number in [0, 1); received 1.0"),
        ({"classifier_activation": 3}, "classifier_activation must be None or a non-empty string; received 3"),
        ({"include_preprocessing": 1}, "include_preprocessing must be True or False; received 1"),
    ],
)
def test_bad_arguments_are_refused(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match="mobilenet_v3") as error:
        mobilenet_v3(**arguments)
    assert str(error.value) == f"mobilenet_v3.{message}"


@pytest.mark.backend_free
def test_only_images_are_taken() -> None:
    with pytest.raises(ValueError, match="mobilenet_v3") as error:
        published(mobilenet_v3(), "small", (784,), 10)
    assert str(error.value) == "mobilenet_v3.input_shape must be (height, width, channels); received (784,)"
