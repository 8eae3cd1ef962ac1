"""What networks for images have in common."""

from collections.abc import Sequence
from typing import Any

import keras

# With fewer pixels a side at the end, the last convolutions would see little but padding.
_LAST_PIXELS = 3


def check_image(owner: str, input_shape: tuple[int, ...]) -> None:
    """Raise `ValueError` unless it is the shape of an image."""
    if len(input_shape) != 3:
        axes = "(height, width, channels)" if _channels_last() else "(channels, height, width)"
        raise ValueError(f"{owner}.input_shape must be {axes}; received {input_shape!r}")


def _channels_last() -> bool:
    return bool(keras.config.image_data_format() == "channels_last")


def channel_axis() -> int:
    """Return the axis of the channels in a batch."""
    return -1 if _channels_last() else 1


def channels(x: Any) -> int:
    """Return how many channels a tensor has."""
    return int(x.shape[channel_axis()])


def sides(input_shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return height and width of an image in pixels."""
    return input_shape[:2] if _channels_last() else input_shape[1:]


def fitting_strides(strides: Sequence[int], input_shape: tuple[int, ...]) -> list[int]:
    """Return strides of which the first ones are 1, so many that the last map has at least 3 pixels a side.

    Networks for ImageNet halve an image of 224 pixels five times; one of 32 would shrink to a single pixel.

    Args:
        strides: Of the layers, in order, each 1 or 2.
        input_shape: The shape of an image; its shorter side counts.
    """
    fitting, size = list(strides), min(sides(input_shape))
    for i, stride in enumerate(strides):
        total = 2 ** sum(s == 2 for s in fitting)
        if -(-size // total) >= _LAST_PIXELS:
            break
        if stride == 2:
            fitting[i] = 1
    return fitting


def batch_norm(x: Any, momentum: float, activation: str | None = None) -> Any:
    """Normalize, and activate if asked."""
    x = keras.layers.BatchNormalization(axis=channel_axis(), momentum=momentum)(x)
    return x if activation is None else keras.layers.Activation(activation)(x)


def conv_norm(
    x: Any, filters: int, kernel: int, momentum: float, activation: str | None = None, stride: int = 1
) -> Any:
    """Convolve without a bias, which the norm has, normalize, and activate if asked."""
    x = keras.layers.Conv2D(filters, kernel, strides=stride, padding="same", use_bias=False)(x)
    return batch_norm(x, momentum, activation)
