"""A space of residual networks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import keras

from keras_neural_opt._core.arguments import check_arguments, choice, fraction, integer, optional, positive, text
from keras_neural_opt.nas._architecture_space import SearchSpace
from keras_neural_opt.nas._gene_list import GeneList, choices
from keras_neural_opt.nas._images import channels, check_image, conv_norm, fitting_strides

_BLOCKS = ("basic", "bottleneck")
# A bottleneck is four times wider at its ends than in its middle.
_WIDENING = {"basic": 1, "bottleneck": 4}
_PUBLISHED: dict[str, tuple[str, tuple[int, ...]]] = {
    "resnet18": ("basic", (2, 2, 2, 2)),
    "resnet34": ("basic", (3, 4, 6, 3)),
    "resnet50": ("bottleneck", (3, 4, 6, 3)),
}


@dataclass(frozen=True)
class _Options:
    filters: int
    strides: str
    batch_norm_momentum: float
    classifier_activation: str | None


def resnet(
    depths: int | Sequence[int] = (1, 2, 3, 4, 6),
    widths: float | Sequence[float] = (0.5, 0.75, 1.0),
    blocks: str | Sequence[str] = _BLOCKS,
    filters: int = 64,
    strides: str = "auto",
    batch_norm_momentum: float = 0.9,
    classifier_activation: str | None = "softmax",
) -> SearchSpace:
    """Return a space of residual networks (He et al., 2016): four stages, each of its own depth and width.

    A stem, then four stages, each of twice the filters of the one before and half its pixels. Genes: `block`, and
    `stage_1_depth`, `stage_1_width` to `stage_4_depth`, `stage_4_width`. `named` has `resnet18`, `resnet34` and
    `resnet50`, the last with the stride in the middle of a block, as torchvision has it.

    Args:
        depths: Blocks of a stage, >= 1; one number, or a list to choose from. Defaults to 1, 2, 3, 4 and 6.
        widths: Multiplies the filters of a stage, > 0; likewise. Defaults to 0.5, 0.75 and 1.
        blocks: `"basic"`, two convolutions of 3 x 3 pixels, or `"bottleneck"`, one of them between two of one pixel;
            likewise. Defaults to both.
        filters: Of the stem and the first stage, >= 1. Defaults to 64.
        strides: `"imagenet"`: the image is halved five times. `"auto"`, the default: the first strides are 1 where the
            last map would have fewer than 3 pixels a side; at 32 pixels or 28, stem and pooling go, as for CIFAR.
        batch_norm_momentum: In [0, 1). Defaults to 0.9.
        classifier_activation: Of the outputs, or None for logits. Defaults to `"softmax"`.

    Returns:
        A space for images of any size, with any number of channels and classes.

    Raises:
        ValueError: An argument breaks its rule.

    Example:
        >>> import keras_neural_opt as kno
        >>> space = kno.nas.resnet(depths=[1, 2], widths=1.0, blocks="basic", filters=8)
        >>> genotype = {f"stage_{i}_depth": 1 for i in range(1, 5)}
        >>> space.build(genotype, (28, 28, 1), 10).output_shape
        (None, 10)

    References:
        He, Zhang, Ren, Sun, Deep Residual Learning for Image Recognition, 2016, https://arxiv.org/abs/1512.03385
    """
    varied = check_arguments(
        "resnet",
        depths=choices(depths, lambda v: integer(v, 1)),
        widths=choices(widths, positive),
        blocks=choices(blocks, lambda v: choice(v, _BLOCKS)),
    )
    shared = check_arguments(
        "resnet",
        filters=integer(filters, 1),
        strides=choice(strides, ("auto", "imagenet")),
        batch_norm_momentum=fraction(batch_norm_momentum),
        classifier_activation=optional(text(classifier_activation)),
    )
    genes = GeneList()
    genes.add("block", varied["blocks"])
    for s in range(1, 5):
        genes.add(f"stage_{s}_depth", varied["depths"])
        genes.add(f"stage_{s}_width", varied["widths"])
    named = {name: _genotype(*published) for name, published in _PUBLISHED.items()}
    return SearchSpace(genes.entries, partial(_build, genes.fixed, _Options(**shared)), named)


def _genotype(block: str, depths: tuple[int, ...]) -> dict[str, Any]:
    genotype: dict[str, Any] = {"block": block}
    for s, depth in enumerate(depths, 1):
        genotype |= {f"stage_{s}_depth": depth, f"stage_{s}_width": 1.0}
    return genotype


def _build(
    fixed: Mapping[str, Any],
    options: _Options,
    genotype: Mapping[str, Any],
    input_shape: tuple[int, ...],
    classes: int,
) -> keras.Model:
    check_image("resnet", input_shape)
    values, momentum = {**fixed, **genotype}, options.batch_norm_momentum
    stem, pool, *of_stages = strides = [2, 2, 1, 2, 2, 2]
    if options.strides == "auto":
        stem, pool, *of_stages = fitting_strides(strides, input_shape)
    x = inputs = keras.Input(input_shape)
    x = conv_norm(x, options.filters, 7 if stem == 2 else 3, momentum, "relu", stem)
    if pool == 2:
        x = keras.layers.MaxPooling2D(3, strides=2, padding="same")(x)
    for s, stride in enumerate(of_stages, 1):
        filters = max(1, round(options.filters * 2 ** (s - 1) * values[f"stage_{s}_width"]))
        for b in range(values[f"stage_{s}_depth"]):
            x = _block(x, values["block"], filters, stride if b == 0 else 1, momentum)
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, keras.layers.Dense(classes, activation=options.classifier_activation)(x))


def _block(x: Any, block: str, filters: int, stride: int, momentum: float) -> Any:
    shortcut, ends = x, filters * _WIDENING[block]
    if block == "basic":
        x = conv_norm(x, filters, 3, momentum, "relu", stride)
        x = conv_norm(x, ends, 3, momentum)
    else:
        x = conv_norm(x, filters, 1, momentum, "relu")
        x = conv_norm(x, filters, 3, momentum, "relu", stride)
        x = conv_norm(x, ends, 1, momentum)
    if stride != 1 or channels(shortcut) != ends:
        shortcut = conv_norm(shortcut, ends, 1, momentum, stride=stride)
    return keras.layers.Activation("relu")(keras.layers.Add()([x, shortcut]))
