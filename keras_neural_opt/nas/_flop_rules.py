"""The multiply-adds of Keras' layers."""

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import keras

from keras_neural_opt.layers._position_embedding import PositionEmbedding


class Call(NamedTuple):
    """One call of a layer; shapes are without the batch."""

    layer: Any
    inputs: list[tuple[int, ...]]
    output: tuple[int, ...]


def _channels(layer: Any, shape: tuple[int, ...]) -> int:
    return shape[-1] if layer.data_format == "channels_last" else shape[0]


def _dense(call: Call) -> int:
    return math.prod(call.output) * call.inputs[0][-1]


def _conv(call: Call) -> int:
    layer = call.layer
    per_output = math.prod(layer.kernel_size) * _channels(layer, call.inputs[0]) // layer.groups
    return math.prod(call.output) * per_output


def _conv_transpose(call: Call) -> int:
    # Each input is spread over a kernel of outputs; what a crop cuts off then is computed all the same.
    return math.prod(call.inputs[0]) * math.prod(call.layer.kernel_size) * call.layer.filters


def _depthwise_conv(call: Call) -> int:
    return math.prod(call.output) * math.prod(call.layer.kernel_size)


def _separable_conv(call: Call) -> int:
    layer = call.layer
    between = _channels(layer, call.inputs[0]) * layer.depth_multiplier
    positions = math.prod(call.output) // layer.filters
    return positions * between * (math.prod(layer.kernel_size) + layer.filters)


def _einsum_dense(call: Call) -> int:
    left, _ = call.layer.equation.replace(" ", "").split("->")
    of_input, of_kernel = left.split(",")
    sizes = dict(zip(of_kernel, call.layer.kernel.shape, strict=True))
    # Only axes that every example has are multiplied: the first one is the batch.
    before, _, after = of_input.partition("...")
    shape = (1, *call.inputs[0])
    sizes |= zip(before, shape, strict=False)
    if after:
        sizes |= zip(after, shape[-len(after) :], strict=True)
    between = shape[max(1, len(before)) : len(shape) - len(after)] if "..." in of_input else ()
    return math.prod(sizes.values()) * math.prod(between)


def _attention(call: Call) -> int:
    layer, query, value = call.layer, call.inputs[0], call.inputs[1]
    asked, answered = math.prod(query[:-1]), math.prod(value[:-1])
    projections = asked * (_kernel(layer.query_dense) + _kernel(layer.output_dense))
    projections += answered * (_kernel(layer.key_dense) + _kernel(layer.value_dense))
    # Axes that are not attended over are common to both.
    common = math.prod(n for axis, n in enumerate(value[:-1], 1) if axis not in layer.attention_axes)
    scores = asked * answered // common * (layer.key_dim + layer.value_dim)
    return projections + layer.num_heads * scores


def _kernel(layer: Any) -> int:
    return math.prod(layer.kernel.shape)


RULES: Mapping[type, Callable[[Call], int]] = {
    keras.layers.Conv1D: _conv,
    keras.layers.Conv1DTranspose: _conv_transpose,
    keras.layers.Conv2D: _conv,
    keras.layers.Conv2DTranspose: _conv_transpose,
    keras.layers.Conv3D: _conv,
    keras.layers.Conv3DTranspose: _conv_transpose,
    keras.layers.Dense: _dense,
    keras.layers.DepthwiseConv1D: _depthwise_conv,
    keras.layers.DepthwiseConv2D: _depthwise_conv,
    keras.layers.EinsumDense: _einsum_dense,
    keras.layers.MultiHeadAttention: _attention,
    keras.layers.SeparableConv1D: _separable_conv,
    keras.layers.SeparableConv2D: _separable_conv,
}

# They have weights, but look them up or apply each to a number: that is not where a network's cost is.
WITHOUT_PRODUCTS = (
    keras.layers.BatchNormalization,
    keras.layers.Embedding,
    keras.layers.GroupNormalization,
    keras.layers.LayerNormalization,
    keras.layers.Normalization,
    keras.layers.PReLU,
    keras.layers.RMSNormalization,
    PositionEmbedding,
)
