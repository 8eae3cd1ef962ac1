"""Dropout of single weights, at rates that are trained, which makes layers sparse."""

from typing import Any

import keras
from keras import ops

from keras_neural_opt._core.arguments import finite
from keras_neural_opt._core.registry import export
from keras_neural_opt.layers._linear_wrapper import LinearWrapper
from keras_neural_opt.layers._scheduled_rate import counts_epochs
from keras_neural_opt.optimizers._learning_rate import refuse_plateau
from keras_neural_opt.schedules._schedule import schedule_argument, value_of

# Of the approximation of the divergence, as in the paper; what keeps the logarithm and the root from 0, as in its code.
K1, K2, K3 = 0.63576, 1.87320, 1.48695
EPSILON = 1e-8


@export
class VariationalDropout(LinearWrapper):
    r"""Puts noise on weights, as much as they bear, and prunes those that are all noise (Molchanov et al., 2017).

    Each weight gets a variance of its own, which is trained. The divergence in the loss makes it as large as the data
    allow; a weight whose noise is far above its size carries nothing, and inference leaves it out. Choose it to make a
    dense or convolutional net sparse, at the price of twice the weights and the products in training.

    .. math::
        y = x W + \sqrt{x^2 \sigma^2} \cdot \varepsilon, \qquad \varepsilon \sim \mathcal N(0, 1), \qquad
        \log \alpha_{ij} = \log \sigma_{ij}^2 - \log W_{ij}^2

    .. math::
        \text{loss} \mathrel{+}= \lambda \sum_{ij}
            k_1 \, \sigma(-k_2 - k_3 \log \alpha_{ij}) + \tfrac12 \log (1 + \alpha_{ij}^{-1})

    Args:
        layer: A `Dense`, `Conv1D`, `Conv2D` or `Conv3D` layer. It is not called itself, so one with
            `activity_regularizer` or with a `call` of your own is refused.
        kl_weight: :math:`\lambda`, what the divergence counts in the loss: 1 / N for cross-entropy and N training
            samples; :math:`2 \sigma^2 / N` for the mean squared error of targets with noise :math:`\sigma`. A number
            >= 0, or a schedule of the number of training steps: `schedules.Warmup(1 / N, 5000)` lets the layer learn
            before it prunes. In epochs with the callback `ScheduleInEpochs`.
        threshold: Weights are pruned from this :math:`\log \alpha` on. Defaults to 3, dropout rates of 95 % and more.
        initial_log_variance: :math:`\log \sigma^2` at the start. Defaults to -10.
        seed: Where the random numbers begin, an integer from 0 to 2147483647. Defaults to None: where
            `keras.utils.set_random_seed` says, or anywhere.
        **kwargs: `name`, `dtype` and `trainable`, see `keras.layers.Layer`.

    Raises:
        ValueError: An argument breaks its rule.

    Example:
        >>> import keras
        >>> import numpy as np
        >>> import keras_neural_opt as kno
        >>> layer = kno.layers.VariationalDropout(keras.layers.Dense(1), kl_weight=kno.schedules.Warmup(1 / 640, 10))
        >>> model = keras.Sequential([keras.Input((3,)), layer])
        >>> model.compile(kno.optimizers.Adam(0.01), "mse")
        >>> history = model.fit(np.ones((64, 3)), np.ones((64, 1)), epochs=2, verbose=0)
        >>> layer.sparsity
        0.0

    Note:
        The bias has no noise. The authors clip :math:`\log \alpha` to [-8, 8], which stops the gradient there; here it
        goes on. Weight decay would pull :math:`\sigma^2` to 1: mask `log_variance`, and better the kernel too. The
        noise is computed in float32, where half precision would lose the squares. A layer called twice in a step counts
        two steps of the schedule. State: as many weights as the kernel has, the seed, a counter.

    References:
        Molchanov, Ashukha, Vetrov, Variational Dropout Sparsifies Deep Neural Networks, 2017,
        https://arxiv.org/abs/1701.05369
    """

    kl_weight: Any
    threshold: float
    initial_log_variance: float
    seed: int | None

    def __init__(
        self,
        layer: Any,
        kl_weight: Any,
        threshold: float = 3.0,
        initial_log_variance: float = -10.0,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        refuse_plateau(type(self).__name__, "kl_weight", kl_weight)
        super().__init__(layer, seed, **kwargs)
        self.set_hyperparameters(
            kl_weight=schedule_argument(kl_weight),
            threshold=finite(threshold),
            initial_log_variance=finite(initial_log_variance),
        )

    def build(self, input_shape: Any) -> None:
        """Make the weights."""
        super().build(input_shape)
        counter = {"trainable": False, "aggregation": "only_first_replica"}
        self.steps = self.add_weight((), "zeros", "int32", name="steps", **counter)
        # As a regularizer the divergence counts once a step, however often the layer is called, and not in `predict`.
        self.log_variance = self.add_weight(
            self.layer.kernel.shape,
            keras.initializers.Constant(self.initial_log_variance),
            name="log_variance",
            autocast=False,
            regularizer=self._divergence,
        )

    def _divergence(self, log_variance: Any) -> Any:
        if counts_epochs(self.kl_weight):  # `fit` asks for the loss once before callbacks can say how long one is.
            return ops.zeros(())
        log_alpha = _log_alpha(log_variance, self.layer.kernel)
        # Both terms vanish for large alpha and neither overflows.
        terms = K1 * ops.sigmoid(-K2 - K3 * log_alpha) + 0.5 * ops.softplus(-log_alpha)
        return value_of(self.kl_weight, self.steps) * ops.sum(terms)

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Return noisy outputs in training, and else those of the weights that are not pruned."""
        if not training:
            kernel = ops.convert_to_tensor(self.layer.kernel)
            kept = ops.cast(_log_alpha(self.log_variance, kernel) < self.threshold, kernel.dtype)
            return self.activate(self.with_bias(self.linear(inputs, kernel * kept)))
        if counts_epochs(self.kl_weight):
            self.kl_weight(0)  # The error says what to do.
        self.steps.assign_add(1)
        mean = self.linear(inputs, self.layer.kernel)
        squares = ops.square(ops.cast(inputs, self.variable_dtype))
        deviation = ops.sqrt(self.linear(squares, ops.exp(self.log_variance)) + EPSILON)
        noise = keras.random.normal(ops.shape(mean), dtype=deviation.dtype, seed=self.seed_generator)
        return self.activate(self.with_bias(mean + ops.cast(deviation * noise, mean.dtype)))

    @property
    def log_alpha(self) -> Any:
        r""":math:`\log \alpha` of each weight of the kernel, an array of its shape."""
        return ops.convert_to_numpy(_log_alpha(self.log_variance, self.layer.kernel))

    @property
    def sparsity(self) -> float:
        """The part of the kernel that inference leaves out."""
        return float((self.log_alpha >= self.threshold).mean())

    def prune(self) -> Any:
        """Set what inference leaves out to 0 in the layer inside, and return that layer, which needs no wrapper now."""
        kernel = ops.convert_to_numpy(self.layer.kernel)
        self.layer.kernel.assign(kernel * (self.log_alpha < self.threshold))
        return self.layer

    def get_config(self) -> dict[str, Any]:
        """Return the arguments, for saving."""
        return {**super().get_config(), "kl_weight": keras.saving.serialize_keras_object(self.kl_weight)}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> "VariationalDropout":
        """Make a layer from what `get_config` returned."""
        kl_weight = keras.saving.deserialize_keras_object(config["kl_weight"], custom_objects)
        return super().from_config({**config, "kl_weight": kl_weight}, custom_objects)


def _log_alpha(log_variance: Any, kernel: Any) -> Any:
    # In half precision the square of a small weight is 0.
    kernel = ops.cast(kernel, log_variance.dtype)
    return log_variance - ops.log(ops.square(kernel) + EPSILON)
