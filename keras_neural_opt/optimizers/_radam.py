"""Rectified Adam."""

import math
from typing import Any

from keras_neural_opt._core.arguments import fraction, nonnegative
from keras_neural_opt._core.scalars import expm1, minimum
from keras_neural_opt._core.tensors import (
    Scalar,
    Tensors,
    bias_correction,
    descend,
    ema,
    ema_of_square,
    root,
    select,
)
from keras_neural_opt.optimizers._base import RuleOptimizer
from keras_neural_opt.optimizers._registry import export


@export
class RAdam(RuleOptimizer):
    r"""Rectified Adam (Liu et al., 2020).

    Adam whose adaptive step is scaled down while few gradients have been seen, and replaced by plain momentum in the
    very first steps: it does by itself what a warm-up does for Adam.

    .. math::
        \rho_\infty &= \tfrac{2}{1 - \beta_2} - 1, \qquad
        \rho_t = \rho_\infty - \frac{2 t \beta_2^t}{1 - \beta_2^t}, \qquad
        r_t = \sqrt{\frac{(\rho_t - 4)(\rho_t - 2)\rho_\infty}{(\rho_\infty - 4)(\rho_\infty - 2)\rho_t}} \\
        \theta_t &= \theta_{t-1} - \frac{\eta}{1 - \beta_1^t}
        \begin{cases} r_t \sqrt{1 - \beta_2^t}\; m_t / (\sqrt{v_t} + \epsilon) & \rho_t > 5 \\ m_t & \text{else}
        \end{cases}

    Args:
        learning_rate: :math:`\eta`, a number >= 0, a schedule or a function without arguments. Defaults to 0.001.
        beta_1: Decay of the mean, in [0, 1). Defaults to 0.9.
        beta_2: Decay of the mean square, in [0, 1). Defaults to 0.999. Up to 2/3 no step is adaptive.
        epsilon: :math:`\epsilon \ge 0`, added to the root before the bias correction. Defaults to 1e-7.
        **kwargs: The arguments of `RuleOptimizer`.

    Raises:
        ValueError: An argument breaks its rule.

    Example:
        >>> import keras_neural_opt as kno
        >>> optimizer = kno.optimizers.RAdam(1e-3)

    Note:
        As `torch.optim.RAdam` and `optax.radam` (threshold 5; the paper's is 4), whose default epsilon is 1e-8. State:
        8 bytes a float32 parameter. Sparse gradients are made dense.

    References:
        Liu, Jiang, He, Chen, Liu, Gao, Han, On the Variance of the Adaptive Learning Rate and Beyond, 2020,
        https://arxiv.org/abs/1908.03265
    """

    beta_1: float
    beta_2: float
    epsilon: float
    slots = ("momentum", "velocity")
    fixed = ("beta_2",)

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

    def rule(self, p: Tensors, g: Tensors, lr: Scalar, t: Scalar, m: Tensors, v: Tensors) -> Any:  # type: ignore[override]
        m, v = ema(m, g, self.beta_1), ema_of_square(v, g, self.beta_2)
        adaptive, rectification = rectify(self.beta_2, t)
        factor = select(adaptive, rectification * root(bias_correction(self.beta_2, t)), 1.0)
        over = select(adaptive, root(v, outside=self.epsilon), 1.0)
        return descend(p, m, factor * lr / bias_correction(self.beta_1, t), over=over), m, v


def rectify(beta_2: float, t: Scalar) -> tuple[Any, Scalar]:
    r"""Return whether step `t` is adaptive, and the rectification :math:`r_t` (1 where it is not)."""
    rho_inf = 2.0 / (1.0 - beta_2) - 1.0
    if beta_2 == 0.0 or rho_inf <= 5.0:
        return False, 1.0
    # rho_t is a difference of numbers near rho_inf that float32 cannot hold. With y = -t log(beta_2) it is
    # rho_inf - 2/a + (2/a)(1 - y / expm1(y)), and the last bracket has a series where it is small.
    a = -math.log(beta_2)
    y = t * a
    series = y / 2 - y**2 / 12 + y**4 / 720 - y**6 / 30240 + y**8 / 1209600
    bracket = select(y < 0.3, series, 1 - y / expm1(minimum(y, 60.0)))
    rho = (rho_inf - 2 / a) + (2 / a) * bracket
    adaptive = rho > 5.0
    rho = select(adaptive, rho, 5.0)
    squared = (rho - 4) * (rho - 2) * rho_inf / ((rho_inf - 4) * (rho_inf - 2) * rho)
    return adaptive, select(adaptive, root(squared), 1.0)
