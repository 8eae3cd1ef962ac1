"""Dropout whose rates follow the activity of each unit."""

from typing import Any

import keras
from keras import ops

from keras_neural_opt._core.arguments import finite
from keras_neural_opt._core.registry import export
from keras_neural_opt.layers._linear_wrapper import LinearWrapper


@export
class Standout(LinearWrapper):
    r"""Keeps the more of a unit the more active it is (Ba and Frey, 2013).

    A belief network beside the layer, with its weights scaled and shifted, says how probably each unit is kept: units
    that are sure of a feature stay, others are dropped about half of the time. Choose it for wide hidden layers of
    rectified units; it trains nothing more than the layer itself.

    .. math::
        y = m \cdot g(z), \qquad z = x W + b, \qquad P(m = 1) = \sigma(\alpha z + \beta)

    Args:
        layer: A hidden layer with activation :math:`g`, whose outputs are dropped: `Dense`, `Conv1D`, `Conv2D` or
            `Conv3D`. It is not called itself, so one with `activity_regularizer` or with a `call` of your own is
            refused.
        alpha: :math:`\alpha`, how much the activity of a unit tells. Defaults to 1; 0 is ordinary dropout.
        beta: :math:`\beta`, the log odds to keep a unit that is not active. Defaults to 0.
        seed: Where the random numbers begin, an integer from 0 to 2147483647. Defaults to None: where
            `keras.utils.set_random_seed` says, or anywhere.
        **kwargs: `name`, `dtype` and `trainable`, see `keras.layers.Layer`.

    Raises:
        ValueError: An argument breaks its rule.

    Example:
        >>> import keras
        >>> import numpy as np
        >>> import keras_neural_opt as kno
        >>> layer = kno.layers.Standout(keras.layers.Dense(2, "relu", kernel_initializer="ones"), beta=1.0)
        >>> values = keras.ops.convert_to_numpy(layer(np.array([[1.0, -3.0], [1.0, 1.0]])))
        >>> values.astype("float64").round(3).tolist()
        [[0.0, 0.0], [1.905, 1.905]]

    Note:
        Inference multiplies by the probabilities, so training does not divide by them. No gradient goes through them:
        they are what is shared. The shift is one number for a unit, not one for each of its weights. Drawn and computed
        in float32 also where half precision is used elsewhere. State: the seed.

    References:
        Ba, Frey, Adaptive Dropout for Training Deep Neural Networks, 2013,
        https://papers.nips.cc/paper/5032-adaptive-dropout-for-training-deep-neural-networks
    """

    alpha: float
    beta: float
    seed: int | None

    def __init__(
        self, layer: Any, alpha: float = 1.0, beta: float = 0.0, seed: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(layer, seed, **kwargs)
        self.set_hyperparameters(alpha=finite(alpha), beta=finite(beta))

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Return activations, some of them dropped in training, and else times the probability that they are kept."""
        z = self.with_bias(self.linear(inputs, self.layer.kernel))
        kept = ops.sigmoid(self.alpha * ops.cast(ops.stop_gradient(z), self.variable_dtype) + self.beta)
        if training:
            u = keras.random.uniform(ops.shape(z), dtype=kept.dtype, seed=self.seed_generator)
            kept = ops.cast(u < kept, z.dtype)
        return self.activate(z) * ops.cast(kept, z.dtype)
