"""Dropout of single units, at a rate that changes."""

import numbers
from typing import Any

import keras
from keras import ops

from keras_neural_opt._core.arguments import Argument, check_arguments
from keras_neural_opt._core.registry import export
from keras_neural_opt.layers._scheduled_rate import ScheduledRate


@export
class ScheduledDropout(ScheduledRate):
    r"""Dropout whose rate changes while a model trains (Srivastava et al., 2014; schedules Morerio et al., 2017).

    Takes the place of `keras.layers.Dropout`, whose rate is compiled into the step and stays. Give it a schedule, or a
    number that the callback `DropoutScheduler`, or an assignment to `layer.rate`, changes without compiling again.

    .. math:: y = \frac{m \odot x}{1 - r(t)}, \qquad m_i \sim \mathrm{Bernoulli}(1 - r(t))

    Args:
        rate: The share of units that are dropped: a number in [0, 1), or a schedule of such numbers, any of
            `keras_neural_opt.schedules` or Keras' own. A schedule is given the number of training calls before this
            one. At a rate of 0 the outputs are the inputs, exactly.
        noise_shape: The shape of the mask, which is broadcast to that of the inputs; None in it stands for the inputs'
            own size: `(None, 1, None)` drops the same features in all timesteps. Defaults to None: every unit for
            itself.
        seed: Where the random numbers begin, an integer from 0 to 2147483647. Defaults to None: where
            `keras.utils.set_random_seed` says, or anywhere.
        **kwargs: Of `keras.layers.Layer`: `name`, `dtype`, `trainable`.

    Raises:
        ValueError: An argument breaks its rule, or the schedule leaves [0, 1) at a step that was tried. `layer.rate` is
            set, and is no such number or follows a schedule.

    Example:
        >>> import keras
        >>> import numpy as np
        >>> import keras_neural_opt as kno
        >>> layer = kno.layers.ScheduledDropout(kno.schedules.LinearDecay(0.5, decay_steps=2), seed=1)
        >>> x = np.ones((1, 1000), "float32")
        >>> [float(keras.ops.max(layer(x, training=True))) for step in range(3)]  # 1 / (1 - rate)
        [2.0, 1.3333333730697632, 1.0]

    Note:
        What is counted is *training calls of this layer*: batches, also with gradient accumulation, and not effective
        steps of the optimizer. A layer that is called twice in a step counts two; give it half the speed. In
        `TimeDistributed` it would count timesteps: give it the whole sequence. Inference and validation count nothing.
        State: rate, count and the random numbers' state, weights that are not trained. All are saved, also in
        `.weights.h5`, so that a resumed training draws the masks of the uninterrupted one, which Keras' layer does not.
        Masks are other than those of Keras' layer with the same seed. In half precision masks and scale are computed in
        float32.

    References:
        Srivastava, Hinton, Krizhevsky, Sutskever, Salakhutdinov, Dropout: A Simple Way to Prevent Neural Networks from
        Overfitting, 2014, https://jmlr.org/papers/v15/srivastava14a.html
        Morerio, Cavazza, Volpi, Vidal, Murino, Curriculum Dropout, 2017, https://arxiv.org/abs/1703.06229
    """

    def __init__(self, rate: Any, noise_shape: Any = None, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(rate, seed, **kwargs)
        self.noise_shape = check_arguments(type(self).__name__, noise_shape=_shape(noise_shape))["noise_shape"]

    def drop(self, inputs: Any, rate: Any) -> Any:
        """Return the inputs with units dropped at a rate."""
        self._check_shape(tuple(inputs.shape))
        return dropped(inputs, rate, self.noise_shape, self.seed_generator)

    def _check_shape(self, shape: tuple[int | None, ...]) -> None:
        mask = self.noise_shape
        if mask is None:
            return
        sizes = zip(mask, shape, strict=False)
        if len(mask) != len(shape) or not all(n in (None, 1, size) or size is None for n, size in sizes):
            raise ValueError(
                f"{self.name}: noise_shape {mask} cannot be broadcast to inputs of shape {shape}. Give a 1, None or the"
                " size for each dimension"
            )

    def get_config(self) -> dict[str, Any]:
        """Return the constructor arguments, JSON-ready."""
        return {**super().get_config(), "noise_shape": self.noise_shape}


def dropped(inputs: Any, rate: Any, noise_shape: Any, seed: Any) -> Any:
    """Return the inputs with a share `rate` of them 0, and the rest so much larger that the mean stays.

    Args:
        inputs: A tensor of floats.
        rate: A float32 scalar, in [0, 1).
        noise_shape: The shape of the mask, with None for the size of the inputs, or None for that of the inputs.
        seed: A `keras.random.SeedGenerator`.
    """
    shape = tuple(ops.shape(inputs))
    drawn = shape if noise_shape is None else tuple(shape[i] if n is None else n for i, n in enumerate(noise_shape))
    kept = keras.random.uniform(drawn, dtype="float32", seed=seed) >= rate
    # Keras' multiplication, not the operator, widens halves to the float32 of the rate on every backend.
    scaled = ops.multiply(inputs, 1.0 / (1.0 - rate))
    return ops.cast(ops.where(kept, scaled, ops.zeros_like(scaled)), inputs.dtype)


def _shape(value: Any) -> Argument:
    def convert(given: Any) -> tuple[int | None, ...] | None:
        if given is None:
            return None
        if not isinstance(given, (tuple, list)) or not all(map(_is_size, given)):
            raise ValueError
        return tuple(None if size is None else int(size) for size in given)

    return Argument(value, "None or a tuple of integers >= 1 and None", convert)


def _is_size(size: Any) -> bool:
    return size is None or (isinstance(size, numbers.Integral) and not isinstance(size, bool) and int(size) >= 1)
