"""Multiplicative noise, of a strength that changes."""

from typing import Any

import keras
from keras import ops

from keras_neural_opt._core.registry import export
from keras_neural_opt.layers._scheduled_rate import ScheduledRate


@export
class ScheduledGaussianDropout(ScheduledRate):
    r"""Multiplies by noise as strong as dropout's, at a rate that changes (Srivastava et al., 2014, section 10).

    As `ScheduledDropout`, with noise of the same mean and variance that is never 0: nothing is lost altogether. Takes
    the place of `keras.layers.GaussianDropout`.

    .. math:: y = x \odot \left(1 + \sqrt{\frac{r(t)}{1 - r(t)}}\; z\right), \qquad z_i \sim \mathcal N(0, 1)

    Args:
        rate: The rate of the dropout that is as strong, a number in [0, 1) or a schedule of such numbers.
        seed: Where the random numbers begin, an integer from 0 to 2147483647, or None (default).
        **kwargs: Of `keras.layers.Layer`: `name`, `dtype`, `trainable`.

    Raises:
        ValueError: An argument breaks its rule.

    Example:
        >>> import keras
        >>> import keras_neural_opt as kno
        >>> layer = kno.layers.ScheduledGaussianDropout(kno.schedules.EarlyDropout(0.5, cutoff_steps=1))
        >>> x = keras.ops.ones((1, 3))
        >>> [bool(keras.ops.all(layer(x, training=True) == x)) for step in range(2)]
        [False, True]

    Note:
        Counting, saving and half precision are those of `ScheduledDropout`.

    References:
        Srivastava, Hinton, Krizhevsky, Sutskever, Salakhutdinov, Dropout: A Simple Way to Prevent Neural Networks from
        Overfitting, 2014, https://jmlr.org/papers/v15/srivastava14a.html
    """

    def drop(self, inputs: Any, rate: Any) -> Any:
        """Return the inputs times noise."""
        noise = keras.random.normal(ops.shape(inputs), dtype="float32", seed=self.seed_generator)
        # Keras' multiplication, not the operator, widens halves to the float32 of the noise on every backend.
        return ops.cast(ops.multiply(inputs, 1.0 + ops.sqrt(rate / (1.0 - rate)) * noise), inputs.dtype)
