"""Dropout of whole feature maps, at a rate that changes."""

from typing import Any

import keras

from keras_neural_opt._core.arguments import check_arguments, choice, optional
from keras_neural_opt._core.registry import export
from keras_neural_opt.layers._scheduled_dropout import dropped
from keras_neural_opt.layers._scheduled_rate import ScheduledRate

FORMATS = ("channels_first", "channels_last")


class SpatialDropout(ScheduledRate):
    """Base of the three: drops whole channels of samples.

    Class attributes of a subclass:
        rank: The dimensions of its inputs.
    """

    rank: int
    data_format = "channels_last"

    def __init__(self, rate: Any, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(rate, seed, **kwargs)
        self.input_spec = keras.layers.InputSpec(ndim=self.rank)

    def drop(self, inputs: Any, rate: Any) -> Any:
        """Return the inputs with channels dropped at a rate."""
        places = [1] * (self.rank - 2)
        noise_shape = (None, None, *places) if self.data_format == "channels_first" else (None, *places, None)
        return dropped(inputs, rate, noise_shape, self.seed_generator)


class SpatialDropoutOfImages(SpatialDropout):
    """Base of those whose channels may come first."""

    def __init__(self, rate: Any, data_format: str | None = None, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(rate, seed, **kwargs)
        checked = check_arguments(type(self).__name__, data_format=optional(choice(data_format, FORMATS)))
        self.data_format = checked["data_format"] or keras.config.image_data_format()

    def get_config(self) -> dict[str, Any]:
        """Return the constructor arguments, JSON-ready."""
        return {**super().get_config(), "data_format": self.data_format}


@export
class ScheduledSpatialDropout1D(SpatialDropout):
    r"""Dropout of whole features of sequences, at a rate that changes (Tompson et al., 2015).

    As `ScheduledDropout`, for convolutions over time: neighbours in a feature map know nearly the same, so that single
    units would hardly be missed. Takes the place of `keras.layers.SpatialDropout1D`.

    .. math:: y_{b,t,c} = \frac{m_{b,c}\, x_{b,t,c}}{1 - r(t)}, \qquad m_{b,c} \sim \mathrm{Bernoulli}(1 - r(t))

    Args:
        rate: The share of feature maps that are dropped, a number in [0, 1) or a schedule of such numbers.
        seed: Where the random numbers begin, an integer from 0 to 2147483647, or None (default).
        **kwargs: Of `keras.layers.Layer`: `name`, `dtype`, `trainable`.

    Raises:
        ValueError: An argument breaks its rule.

    Example:
        >>> import numpy as np
        >>> import keras_neural_opt as kno
        >>> layer = kno.layers.ScheduledSpatialDropout1D(kno.schedules.CurriculumDropout(0.5, 1000))
        >>> layer(np.ones((2, 7, 3), "float32"), training=True).shape == (2, 7, 3)
        True

    Note:
        Counting, saving and half precision are those of `ScheduledDropout`. Inputs: (samples, timesteps, channels).

    References:
        Tompson, Goroshin, Jain, LeCun, Bregler, Efficient Object Localization Using Convolutional Networks, 2015,
        https://arxiv.org/abs/1411.4280
    """

    rank = 3


@export
class ScheduledSpatialDropout2D(SpatialDropoutOfImages):
    r"""Dropout of whole feature maps of images, at a rate that changes (Tompson et al., 2015).

    As `ScheduledDropout`, for convolutions over images. Takes the place of `keras.layers.SpatialDropout2D`.

    .. math:: y_{b,h,w,c} = \frac{m_{b,c}\, x_{b,h,w,c}}{1 - r(t)}, \qquad m_{b,c} \sim \mathrm{Bernoulli}(1 - r(t))

    Args:
        rate: The share of feature maps that are dropped, a number in [0, 1) or a schedule of such numbers.
        data_format: `"channels_first"` or `"channels_last"`. Defaults to None: Keras' `image_data_format()`.
        seed: Where the random numbers begin, an integer from 0 to 2147483647, or None (default).
        **kwargs: Of `keras.layers.Layer`: `name`, `dtype`, `trainable`.

    Raises:
        ValueError: An argument breaks its rule.

    Example:
        >>> import numpy as np
        >>> import keras_neural_opt as kno
        >>> layer = kno.layers.ScheduledSpatialDropout2D(kno.schedules.CurriculumDropout(0.5, 1000))
        >>> layer(np.ones((2, 8, 8, 3), "float32"), training=True).shape == (2, 8, 8, 3)
        True

    Note:
        Counting, saving and half precision are those of `ScheduledDropout`. Inputs: (samples, rows, columns, channels),
        or (samples, channels, rows, columns).

    References:
        Tompson, Goroshin, Jain, LeCun, Bregler, Efficient Object Localization Using Convolutional Networks, 2015,
        https://arxiv.org/abs/1411.4280
    """

    rank = 4


@export
class ScheduledSpatialDropout3D(SpatialDropoutOfImages):
    r"""Dropout of whole feature maps of volumes, at a rate that changes (Tompson et al., 2015).

    As `ScheduledDropout`, for convolutions over volumes or videos. Takes the place of `keras.layers.SpatialDropout3D`.

    .. math:: y_{b,v,c} = \frac{m_{b,c}\, x_{b,v,c}}{1 - r(t)}, \qquad m_{b,c} \sim \mathrm{Bernoulli}(1 - r(t))

    Args:
        rate: The share of feature maps that are dropped, a number in [0, 1) or a schedule of such numbers.
        data_format: `"channels_first"` or `"channels_last"`. Defaults to None: Keras' `image_data_format()`.
        seed: Where the random numbers begin, an integer from 0 to 2147483647, or None (default).
        **kwargs: Of `keras.layers.Layer`: `name`, `dtype`, `trainable`.

    Raises:
        ValueError: An argument breaks its rule.

    Example:
        >>> import numpy as np
        >>> import keras_neural_opt as kno
        >>> layer = kno.layers.ScheduledSpatialDropout3D(kno.schedules.CurriculumDropout(0.5, 1000))
        >>> layer(np.ones((2, 4, 4, 4, 3), "float32"), training=True).shape == (2, 4, 4, 4, 3)
        True

    Note:
        Counting, saving and half precision are those of `ScheduledDropout`. Inputs: (samples, three dimensions,
        channels), or (samples, channels, three dimensions).

    References:
        Tompson, Goroshin, Jain, LeCun, Bregler, Efficient Object Localization Using Convolutional Networks, 2015,
        https://arxiv.org/abs/1411.4280
    """

    rank = 5
