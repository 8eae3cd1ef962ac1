"""Adamax."""

from typing import Any

from keras_neural_opt._core.arguments import fraction, nonnegative
from keras_neural_opt._core.tensors import (
    Scalar,
    Tensors,
    absolute,
    bias_correction,
    descend,
    ema,
    running_maximum,
    scale,
)
from keras_neural_opt.optimizers._base import RuleOptimizer
from keras_neural_opt.optimizers._registry import export


@export
class Adamax(RuleOptimizer):
    r"""Adam with the infinity norm (Kingma and Ba, 2015).

    The steps are divided by the largest recent gradient instead of by the root of the mean square: no step is much
    larger than the learning rate, whatever the gradients do. For sparse and bursty gradients, such as those of
    embeddings.

    .. math::
        m_t &= \beta_1 m_{t-1} + (1 - \beta_1) g_t, \qquad
        u_t = \max(\beta_2 u_{t-1}, \lvert g_t \rvert) \\
        \theta_t &= \theta_{t-1} - \frac{\eta}{1 - \beta_1^t} \frac{m_t}{u_t + \epsilon}

    Args:
        learning_rate: :math:`\eta`, a number >= 0, a schedule or a function without arguments. Defaults to 0.001.
        beta_1: Decay of the mean, in [0, 1). Defaults to 0.9.
        beta_2: Decay of the largest gradient, in [0, 1). Defaults to 0.999.
        epsilon: :math:`\epsilon \ge 0`. Defaults to 1e-7.
        **kwargs: The arguments of `RuleOptimizer`.

    Raises:
        ValueError: An argument breaks its rule.

    Example:
        >>> import keras_neural_opt as kno
        >>> optimizer = kno.optimizers.Adamax(2e-3)

    Note:
        Same arguments, defaults and numerics as `keras.optimizers.Adamax`. `torch.optim.Adamax` and
        `optax.adamax` add :math:`\epsilon` to the gradient's size before the maximum is taken. State: 8 bytes a float32
        parameter. Sparse gradients are made dense.

    References:
        Kingma, Ba, Adam: A Method for Stochastic Optimization, 2015, section 7.1, https://arxiv.org/abs/1412.6980
    """

    beta_1: float
    beta_2: float
    epsilon: float
    slots = ("momentum", "norm")

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate, **kwargs)
        self.set_hyperparameters(beta_1=fraction(beta_1), beta_2=fraction(beta_2), epsilon=nonnegative(epsilon))

    def rule(self, p: Tensors, g: Tensors, lr: Scalar, t: Scalar, m: Tensors, u: Tensors) -> Any:  # type: ignore[override]
        m = ema(m, g, self.beta_1)
        u = running_maximum(scale(u, self.beta_2), absolute(g))
        return descend(p, m, lr / bias_correction(self.beta_1, t), over=u + self.epsilon), m, u
