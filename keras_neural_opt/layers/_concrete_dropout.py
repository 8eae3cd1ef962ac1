"""Dropout whose rate is trained."""

import math
from typing import Any

import keras
from keras import ops

from keras_neural_opt._core.arguments import nonnegative, open_fraction, positive
from keras_neural_opt._core.registry import export
from keras_neural_opt._core.scalars import number
from keras_neural_opt.layers._linear_wrapper import LinearWrapper


@export
class ConcreteDropout(LinearWrapper):
    r"""Drops inputs of a layer at a rate that training finds (Gal, Hron and Kendall, 2017).

    The rate is a weight. Its gradient goes through a smooth draw of what is dropped; a divergence in the loss keeps it
    away from 0 as long as there is little data. Choose it instead of a grid search over rates, one for each layer, and
    where the spread of predictions (`training=True`) is to say how sure the model is.

    .. math::
        \tilde x = x \, \frac{1 - z}{1 - p}, \qquad
        z = \sigma\Bigl(\frac{1}{t} \bigl(\log\tfrac{p}{1 - p} + \log\tfrac{u}{1 - u}\bigr)\Bigr), \quad u \sim U(0, 1)

    .. math::
        \text{loss} \mathrel{+}= \lambda \Bigl(\frac{l^2 \lVert W \rVert^2}{2 (1 - p)} - K\, H(p)\Bigr), \qquad
        H(p) = -p \log p - (1 - p) \log (1 - p)

    Args:
        layer: The layer whose inputs are dropped: `Dense`, `Conv1D`, `Conv2D` or `Conv3D`, with kernel :math:`W` and
            :math:`K` input units or channels. What is dropped is drawn once for a sample and channel.
        kl_weight: :math:`\lambda \ge 0`, what the divergence counts in the loss: 1 / N for cross-entropy and N training
            samples; :math:`2 \sigma^2 / N` for the mean squared error of targets with noise :math:`\sigma`.
        length_scale: :math:`l > 0` of the prior on the kernel; large means small weights. Defaults to 0.01.
        initial_rate: :math:`p` at the start, in (0, 1). Defaults to 0.1.
        temperature: :math:`t > 0` of the draw; near 0 it is all or nothing. Defaults to 0.1.
        seed: Where the random numbers begin, an integer from 0 to 2147483647. Defaults to None: where
            `keras.utils.set_random_seed` says, or anywhere.
        **kwargs: `name`, `dtype` and `trainable`, see `keras.layers.Layer`.

    Raises:
        ValueError: An argument breaks its rule.

    Example:
        >>> import keras
        >>> import numpy as np
        >>> import keras_neural_opt as kno
        >>> layer = kno.layers.ConcreteDropout(keras.layers.Dense(1), kl_weight=1 / 640)
        >>> model = keras.Sequential([keras.Input((3,)), layer])
        >>> model.compile(kno.optimizers.AdamW(0.01, weight_decay_mask=["!rate_logit"]), "mse")
        >>> history = model.fit(np.ones((64, 3)), np.ones((64, 1)), epochs=2, verbose=0)
        >>> 0.0 < layer.rate < 1.0
        True

    Note:
        The authors' `weight_regularizer` is :math:`\lambda l^2 / 2` and their `dropout_regularizer`
        :math:`\lambda`. Weight decay would pull the rate to 0.5: mask `rate_logit`, as above. The prior decays the
        kernel already. A sequence given to a `Dense` loses a feature in all of its steps. Where half precision is
        computed in, the draw is float32. State: 1 weight and the seed.

    References:
        Gal, Hron, Kendall, Concrete Dropout, 2017, https://arxiv.org/abs/1705.07832
    """

    calls_layer = True
    kl_weight: float
    length_scale: float
    initial_rate: float
    temperature: float
    seed: int | None

    def __init__(
        self,
        layer: Any,
        kl_weight: float,
        length_scale: float = 0.01,
        initial_rate: float = 0.1,
        temperature: float = 0.1,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(layer, seed, **kwargs)
        self.set_hyperparameters(
            kl_weight=nonnegative(kl_weight),
            length_scale=positive(length_scale),
            initial_rate=open_fraction(initial_rate),
            temperature=positive(temperature),
        )

    def build(self, input_shape: Any) -> None:
        """Make the weights."""
        super().build(input_shape)
        self.channels = input_shape[self.channels_axis]
        initial = math.log(self.initial_rate) - math.log1p(-self.initial_rate)
        # As a regularizer the divergence counts once a step, however often the layer is called, and not in `predict`.
        self.rate_logit = self.add_weight(
            (), keras.initializers.Constant(initial), name="rate_logit", autocast=False, regularizer=self._divergence
        )

    def _divergence(self, logit: Any) -> Any:
        squares = ops.sum(ops.square(self.layer.kernel))
        rate = ops.sigmoid(logit)
        entropy = rate * ops.softplus(-logit) + (1.0 - rate) * ops.softplus(logit)
        prior = 0.5 * self.length_scale**2 * squares * (1.0 + ops.exp(logit))
        return self.kl_weight * (prior - self.channels * entropy)

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Return what the layer makes of the inputs, of which in training some are dropped."""
        return self.layer(self._dropped(inputs) if training else inputs)

    def _dropped(self, inputs: Any) -> Any:
        shape = [ops.shape(inputs)[0], *[1] * (len(inputs.shape) - 1)]
        shape[self.channels_axis] = self.channels
        logit = ops.convert_to_tensor(self.rate_logit)
        u = keras.random.uniform(shape, keras.config.epsilon(), 1.0, dtype=logit.dtype, seed=self.seed_generator)
        noise = ops.log(u) - ops.log1p(-u)
        kept = ops.sigmoid(-(logit + noise) / self.temperature) * (1.0 + ops.exp(logit))
        return inputs * ops.cast(kept, inputs.dtype)

    @property
    def rate(self) -> float:
        """The rate that training came to."""
        return number(ops.sigmoid(self.rate_logit))
