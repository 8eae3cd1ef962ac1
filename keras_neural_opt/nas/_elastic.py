"""Networks that are every network of a space: which one, numbers say that they take in beside the data."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from keras_neural_opt.nas._depthwise import depthwise_conv
from keras_neural_opt.nas._images import channel_axis


@dataclass(frozen=True)
class ElasticNetwork:
    """A network with the weights that all networks of a space share (Cai et al., 2020).

    Args:
        model: A model of two inputs: the data, and a row of numbers for each example.
        numbers: A function that returns the numbers of a genotype, which it gets as `build` does. All examples of a
            batch have the same.
        extremes: Genotypes that each step trains, such as the largest and the smallest network; genes that do not count
            may be there. Defaults to none.

    Example:
        >>> import keras
        >>> import keras_neural_opt as kno
        >>> x, units = keras.Input((4,)), keras.Input((1,))
        >>> hidden = kno.nas.FirstChannels()([keras.layers.Dense(16, "relu")(x), units])
        >>> model = keras.Model([x, units], keras.layers.Dense(2)(hidden))
        >>> elastic = kno.nas.ElasticNetwork(model, lambda genotype: [genotype["units"]])
        >>> elastic.numbers({"units": 8})
        [8]

    References:
        Cai, Gan, Wang, Zhang, Han, Once-for-All, 2020, https://arxiv.org/abs/1908.09791
    """

    model: keras.Model
    numbers: Callable[[Mapping[str, Any]], Sequence[float]]
    extremes: Sequence[Mapping[str, Any]] = ()


class FirstChannels(keras.layers.Layer):
    """Keeps the first channels and sets the others to zero: a layer of that width, within a wider one.

    Call it on `[x, count]`, where `count`, of shape `(batch, 1)`, says how many.

    Args:
        axis: That of the channels, other than the batch's. Defaults to -1.
        **kwargs: Those of `keras.layers.Layer`.

    Example:
        >>> import keras
        >>> import keras_neural_opt as kno
        >>> kept = kno.nas.FirstChannels()([keras.ops.ones((1, 3)), keras.ops.array([[2.0]])])
        >>> keras.ops.convert_to_numpy(kept).tolist()
        [[1.0, 1.0, 0.0]]
    """

    def __init__(self, axis: int = -1, **kwargs: Any) -> None:
        # Half precision rounds counts.
        super().__init__(**{"autocast": False, **kwargs})
        self.axis = axis

    def call(self, inputs: Any) -> Any:
        """Return the channels."""
        x, count = inputs
        shape = [1] * len(x.shape)
        shape[self.axis] = x.shape[self.axis]
        places = keras.ops.reshape(keras.ops.arange(x.shape[self.axis], dtype=count.dtype), shape)
        kept = places < keras.ops.reshape(count, (-1, *[1] * (len(shape) - 1)))
        return x * keras.ops.cast(kept, x.dtype)


class ElasticDepthwiseConv2D(keras.layers.Layer):
    """A depthwise convolution of which a smaller one is the middle.

    Call it on `[x, size]`, where `size`, of shape `(batch, 1)`, is the kernel's side in pixels; the first example's
    counts.

    Args:
        kernel_size: The largest side, odd.
        strides: Of the convolution. Defaults to 1.
        **kwargs: Those of `keras.layers.Layer`.
    """

    def __init__(self, kernel_size: int, strides: int = 1, **kwargs: Any) -> None:
        super().__init__(**{"autocast": False, **kwargs})
        self.kernel_size, self.strides = kernel_size, strides

    def build(self, input_shape: Any) -> None:
        """Make the largest kernel."""
        shape = (self.kernel_size, self.kernel_size, input_shape[0][channel_axis()], 1)
        self.kernel = self.add_weight(name="kernel", shape=shape, initializer="glorot_uniform")

    def call(self, inputs: Any) -> Any:
        """Convolve with the middle of the kernel."""
        x, size = inputs
        middle = self.kernel_size // 2
        away = np.abs(np.arange(self.kernel_size) - middle)
        farthest = np.maximum(away[:, None], away[None])[:, :, None, None].astype("float32")
        kept = keras.ops.convert_to_tensor(farthest) < size[0, 0] / 2
        kernel = self.kernel * keras.ops.cast(kept, self.kernel.dtype)
        return depthwise_conv(x, keras.ops.cast(kernel, x.dtype), self.strides, "same")


class Present(keras.layers.Layer):
    """Returns the first tensor where a number is above 0, and the second, of the same shape, elsewhere.

    Call it on `[x, otherwise, number]`; the number has the shape `(batch, 1)`.
    """

    def call(self, inputs: Any) -> Any:
        """Return one of both."""
        x, otherwise, number = inputs
        return keras.ops.where(keras.ops.reshape(number, (-1, *[1] * (len(x.shape) - 1))) > 0, x, otherwise)


class Numbers:
    """The numbers of a network as tensors, each handed out once, in the order in which they are asked for.

    Args:
        count: How many there are.
    """

    def __init__(self, count: int) -> None:
        self.input = keras.Input((count,), name="architecture")
        self._next = iter(range(count))

    def __call__(self) -> Any:
        """Return the next one, of shape `(batch, 1)`."""
        i = next(self._next)
        return self.input[:, i : i + 1]
