"""A network of inverted residual blocks, as MobileNetV3 has them, from a list of its blocks."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras

from keras_neural_opt.nas._images import batch_norm, channels, conv_norm, fitting_strides, sides

_STEM_FILTERS = 16


@dataclass(frozen=True)
class Block:
    """One inverted residual block.

    Args:
        kernel: Pixels of the depthwise convolution's side.
        expansion: How many times wider than its input it is inside; 1: without a convolution that widens.
        filters: Channels of its output, before the network's width multiplies them.
        squeeze: Whether channels are weighted by squeeze and excitation.
        activation: After each of its convolutions but the last.
        stride: Of the depthwise convolution.
    """

    kernel: int
    expansion: float
    filters: int
    squeeze: bool
    activation: str
    stride: int = 1


@dataclass(frozen=True)
class Network:
    """The blocks between the stem and the head, and the features before the classes."""

    blocks: tuple[Block, ...]
    features: int


@dataclass(frozen=True)
class Options:
    """What all networks of a space share."""

    strides: str
    dropout_rate: float
    batch_norm_momentum: float
    classifier_activation: str | None
    include_preprocessing: bool


class Form:
    """Makes the layers of a block as the block says."""

    def expanded(self, x: Any) -> Any:
        """Return the channels inside the block."""
        return x

    def squeezed(self, x: Any) -> Any:
        """Return the channels between squeeze and excitation."""
        return x

    def depthwise(self, x: Any, kernel: int, stride: int) -> Any:
        """Return the depthwise convolution."""
        return keras.layers.DepthwiseConv2D(kernel, strides=stride, padding="same", use_bias=False)(x)

    def residual(self, shortcut: Any, x: Any) -> Any:
        """Return what the block gives out."""
        return keras.layers.Add()([shortcut, x])


def build_network(
    network: Network,
    width: float,
    resolution: int | None,
    options: Options,
    input_shape: tuple[int, ...],
    classes: int,
    form_of: Callable[[int], Form] = lambda _: Form(),
    *more_inputs: Any,
) -> keras.Model:
    """Return the model of a network; with the stem and the head, it is that of `keras.applications`.

    Args:
        network: Its blocks and features.
        width: Multiplies the filters of the blocks, and above 1 the features.
        resolution: Pixels to which images are resized, or None.
        options: What all networks share.
        input_shape: The shape of an image.
        classes: How many.
        form_of: Called with a block's place, from 0: what its layers are made by.
        *more_inputs: Of the model, beside the images.
    """
    momentum = options.batch_norm_momentum
    x = inputs = keras.Input(input_shape)
    if resolution is not None and sides(input_shape) != (resolution, resolution):
        x = keras.layers.Resizing(resolution, resolution)(x)
    if options.include_preprocessing:
        x = keras.layers.Rescaling(1 / 127.5, offset=-1.0)(x)
    stem, *strides = _strides(network, options, tuple(x.shape[1:]))
    x = conv_norm(x, _STEM_FILTERS, 3, momentum, "hard_swish", stem)
    for i, (block, stride) in enumerate(zip(network.blocks, strides, strict=True)):
        x = _block(x, block, stride, width, momentum, form_of(i))
    x = conv_norm(x, rounded(channels(x) * 6), 1, momentum, "hard_swish")
    features = rounded(network.features * width) if width > 1 else network.features
    x = keras.layers.GlobalAveragePooling2D(keepdims=True)(x)
    x = keras.layers.Conv2D(features, 1, activation="hard_swish")(x)
    if options.dropout_rate > 0:
        x = keras.layers.Dropout(options.dropout_rate)(x)
    x = keras.layers.Flatten()(keras.layers.Conv2D(classes, 1)(x))
    if options.classifier_activation is not None:
        x = keras.layers.Activation(options.classifier_activation)(x)
    return keras.Model([inputs, *more_inputs] if more_inputs else inputs, x)


def squeezed(filters: int) -> int:
    """Return how many channels squeeze and excitation leaves of a block's."""
    return rounded(filters / 4)


def rounded(filters: float) -> int:
    """Return the multiple of 8 nearest to a number of filters, of at least 8 and not below 90 % of it."""
    nearest = max(8, int(filters + 4) // 8 * 8)
    return nearest + 8 if nearest < 0.9 * filters else nearest


def _strides(network: Network, options: Options, input_shape: tuple[int, ...]) -> list[int]:
    strides = [2, *(block.stride for block in network.blocks)]
    return fitting_strides(strides, input_shape) if options.strides == "auto" else strides


def _block(x: Any, block: Block, stride: int, width: float, momentum: float, form: Form) -> Any:
    shortcut, filters = x, rounded(block.filters * width)
    expanded = rounded(channels(x) * block.expansion)
    if block.expansion != 1:
        x = form.expanded(conv_norm(x, expanded, 1, momentum, block.activation))
    x = form.depthwise(x, block.kernel, stride)
    x = form.expanded(batch_norm(x, momentum, block.activation))
    if block.squeeze:
        x = _squeeze_excite(x, expanded, form)
    x = conv_norm(x, filters, 1, momentum)
    return form.residual(shortcut, x) if stride == 1 and channels(shortcut) == filters else x


def _squeeze_excite(x: Any, filters: int, form: Form) -> Any:
    weights = keras.layers.GlobalAveragePooling2D(keepdims=True)(x)
    weights = form.squeezed(keras.layers.Conv2D(squeezed(filters), 1, activation="relu")(weights))
    weights = keras.layers.Conv2D(filters, 1, activation="hard_sigmoid")(weights)
    return keras.layers.Multiply()([x, weights])
