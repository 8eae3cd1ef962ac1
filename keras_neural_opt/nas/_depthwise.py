"""Depthwise convolutions in trials: Keras', and where XLA's are slow, our own."""

from functools import partial
from typing import Any

import keras

from keras_neural_opt._core.backend import NAME


def depthwise_conv(x: Any, kernel: Any, stride: int, padding: str) -> Any:
    """Return what `keras.ops.depthwise_conv` does.

    Args:
        x: Images.
        kernel: Of shape `(rows, columns, channels, 1)`.
        stride: Of both axes.
        padding: `"same"` or `"valid"`.
    """
    if NAME == "jax" and keras.config.image_data_format() == "channels_last":
        from keras_neural_opt._core import backend_jax_depthwise as quick

        if quick.is_quick():
            return quick.depthwise_conv(x, keras.ops.convert_to_tensor(kernel), stride, padding)
    return keras.ops.depthwise_conv(x, kernel, strides=stride, padding=padding)


def with_quick_depthwise(model: Any) -> None:
    """Let the layers of a network that convolve by depth do it quickly; what they return stays the same."""
    if NAME != "jax":
        return
    for layer in model._flatten_layers(include_self=False):
        if type(layer) is keras.layers.DepthwiseConv2D and _is_plain(layer):
            layer.call = partial(_call, layer)


def _call(layer: Any, inputs: Any) -> Any:
    x = depthwise_conv(inputs, layer.kernel, layer.strides[0], layer.padding)
    if layer.use_bias:
        x = keras.ops.add(x, layer.bias)
    return x if layer.activation is None else layer.activation(x)


def _is_plain(layer: Any) -> bool:
    return (
        layer.data_format == "channels_last"
        and layer.depth_multiplier == 1
        and tuple(layer.dilation_rate) == (1, 1)
        and layer.strides[0] == layer.strides[1]
    )
