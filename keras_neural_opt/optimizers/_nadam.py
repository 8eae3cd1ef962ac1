"""Nadam."""

import math
from typing import Any

import numpy as np

from keras_neural_opt._core.arguments import fraction, nonnegative, positive
from keras_neural_opt._core.scalars import expm1, weighted_expm1
from keras_neural_opt._core.tensors import (
    Scalar,
    Tensors,
    add_scaled,
    bias_correction,
    descend,
    ema,
    ema_of_square,
    root,
)
from keras_neural_opt.optimizers._base import RuleOptimizer
from keras_neural_opt.optimizers._registry import export


@export
class Nadam(RuleOptimizer):
    r"""Adam with Nesterov momentum (Dozat, 2016).

    Adam that steps along the momentum as it will be after the next step, with a momentum that grows in the first
    steps. Often a little faster than `Adam` at the same cost; never much slower.

    .. math::
        \mu_t &= \beta_1 (1 - \tfrac{1}{2}\, 0.96^{\psi t}), \qquad
        m_t = \beta_1 m_{t-1} + (1 - \beta_1) g_t, \qquad
        v_t = \beta_2 v_{t-1} + (1 - \beta_2) g_t^2 \\
        \hat m_t &= \frac{\mu_{t+1} m_t}{1 - \prod_{i=1}^{t+1} \mu_i}
        + \frac{(1 - \mu_t) g_t}{1 - \prod_{i=1}^{t} \mu_i} \\
        \theta_t &= \theta_{t-1} - \eta \frac{\hat m_t}{\sqrt{v_t / (1 - \beta_2^t)} + \epsilon}

    Args:
        learning_rate: :math:`\eta`, a number >= 0, a schedule or a function without arguments. Defaults to 0.001.
        beta_1: Decay of the mean, in [0, 1). Defaults to 0.9.
        beta_2: Decay of the mean square, in [0, 1). Defaults to 0.999.
        epsilon: :math:`\epsilon \ge 0`, added to the corrected root. Defaults to 1e-7.
        momentum_decay: :math:`\psi > 0`: how fast the momentum reaches :math:`\beta_1`. Defaults to 1.
        **kwargs: The arguments of `RuleOptimizer`.

    Raises:
        ValueError: An argument breaks its rule.

    Example:
        >>> import keras_neural_opt as kno
        >>> optimizer = kno.optimizers.Nadam(1e-3)

    Note:
        Same arguments, defaults and numerics as `keras.optimizers.Nadam`, which lacks `momentum_decay`; that of
        `torch.optim.NAdam` defaults to 0.004, as in the paper. `optax.nadam` has no growing momentum: another method.
        The product of the momenta is computed from the step alone and needs no state. State: 8 bytes a float32
        parameter. Sparse gradients are made dense.

    References:
        Dozat, Incorporating Nesterov Momentum into Adam, 2016, https://www.openreview.net/forum?id=OM0jvwB8jIp57ZJjtNEZ
    """

    beta_1: float
    beta_2: float
    epsilon: float
    momentum_decay: float
    slots = ("momentum", "velocity")
    fixed = ("beta_1", "momentum_decay")

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        momentum_decay: float = 1.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate, **kwargs)
        self.set_hyperparameters(
            beta_1=fraction(beta_1),
            beta_2=fraction(beta_2),
            epsilon=nonnegative(epsilon),
            momentum_decay=positive(momentum_decay),
        )

    def rule(self, p: Tensors, g: Tensors, lr: Scalar, t: Scalar, m: Tensors, v: Tensors) -> Any:  # type: ignore[override]
        m, v = ema(m, g, self.beta_1), ema_of_square(v, g, self.beta_2)
        rate = self.momentum_decay * math.log(0.96)
        ahead = momentum(self.beta_1, rate, t + 1.0) / (1.0 - momentum_product(self.beta_1, rate, t + 1.0))
        now = (1.0 - momentum(self.beta_1, rate, t)) / (1.0 - momentum_product(self.beta_1, rate, t))
        correction = root(bias_correction(self.beta_2, t))
        direction = add_scaled(m * ahead, g, now)
        return descend(p, direction, lr * correction, over=root(v, outside=self.epsilon * correction)), m, v


def momentum(beta_1: float, rate: float, t: Scalar) -> Scalar:
    """Return the momentum of step `t`, `beta_1 * (1 - exp(rate * t) / 2)`."""
    return beta_1 * (0.5 - 0.5 * expm1(rate * t))


def momentum_product(beta_1: float, rate: float, t: Scalar) -> Scalar:
    r"""Return the product of the momenta of the steps 1 to `t`.

    With :math:`q = e^{rate}`, the logarithm of :math:`\prod_i (1 - q^i / 2)` is
    :math:`-\sum_k (q/2)^k (1 - q^{kt}) / (k (1 - q^k))`, whose terms fall like :math:`2^{-k}`.
    """
    if not beta_1:
        return 0.0
    k = np.arange(1.0, 51.0)
    weights = np.exp(k * rate) / (2.0**k * k * -np.expm1(k * rate))
    return 1.0 + expm1(t * math.log(beta_1) + weighted_expm1(weights, k * rate, t))
