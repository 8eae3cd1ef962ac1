"""Adan."""

from typing import Any

from keras_neural_opt._core.arguments import fraction, nonnegative
from keras_neural_opt._core.tensors import (
    Scalar,
    Tensors,
    add_scaled,
    bias_correction,
    descend,
    ema,
    ema_of_square,
    root,
    scale,
    select,
)
from keras_neural_opt.optimizers._base import RuleOptimizer
from keras_neural_opt.optimizers._registry import export


@export
class Adan(RuleOptimizer):
    r"""Adan, adaptive Nesterov momentum (Xie et al., 2022).

    Adam that also follows how the gradient changes from step to step, which is Nesterov's look ahead without a second
    gradient. Takes rates five to ten times those of `AdamW` and large batches; costs twice its memory.

    .. math::
        d_t &= g_t - g_{t-1}, \qquad m_t = \beta_1 m_{t-1} + (1 - \beta_1) g_t, \qquad
        v_t = \beta_2 v_{t-1} + (1 - \beta_2) d_t \\
        n_t &= \beta_3 n_{t-1} + (1 - \beta_3) (g_t + \beta_2 d_t)^2 \\
        \theta_t &= \theta_{t-1} - \eta
        \frac{m_t / (1 - \beta_1^t) + \beta_2 v_t / (1 - \beta_2^t)}{\sqrt{n_t / (1 - \beta_3^t)} + \epsilon}

    Args:
        learning_rate: :math:`\eta`, a number >= 0, a schedule or a function without arguments. Defaults to 0.001.
        beta_1: Decay of the mean gradient, in [0, 1). Defaults to 0.98.
        beta_2: Decay of the mean difference, in [0, 1). Defaults to 0.92.
        beta_3: Decay of the mean square, in [0, 1). Defaults to 0.99.
        epsilon: :math:`\epsilon \ge 0`, added to the corrected root. Defaults to 1e-8.
        **kwargs: The arguments of `RuleOptimizer`.

    Raises:
        ValueError: An argument breaks its rule.

    Example:
        >>> import keras_neural_opt as kno
        >>> optimizer = kno.optimizers.Adan(1e-3, weight_decay=0.02)

    Note:
        As the authors' code, where a decay is what stays: the paper writes one minus each. `optax.adan` uses one minus
        `beta_2` for the weight of the difference. Weight decay is that of the code's `no_prox`. :math:`d_1 = 0`.
        State: 16 bytes a float32 parameter. Sparse gradients are made dense.

    References:
        Xie, Zhou, Li, Lin, Yan, Adan: Adaptive Nesterov Momentum Algorithm for Faster Optimizing Deep Models, 2022,
        https://arxiv.org/abs/2208.06677
    """

    beta_1: float
    beta_2: float
    beta_3: float
    epsilon: float
    slots = ("momentum", "difference", "velocity", "previous_gradient")

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.98,
        beta_2: float = 0.92,
        beta_3: float = 0.99,
        epsilon: float = 1e-8,
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate, **kwargs)
        self.set_hyperparameters(
            beta_1=fraction(beta_1), beta_2=fraction(beta_2), beta_3=fraction(beta_3), epsilon=nonnegative(epsilon)
        )

    def rule(  # type: ignore[override]
        self, p: Tensors, g: Tensors, lr: Scalar, t: Scalar, m: Tensors, v: Tensors, n: Tensors, previous: Tensors
    ) -> Any:
        d = scale(g - previous, select(t > 1.5, 1.0, 0.0))
        m, v = ema(m, g, self.beta_1), ema(v, d, self.beta_2)
        n = ema_of_square(n, add_scaled(scale(d, self.beta_2), g, 1.0), self.beta_3)
        correction = root(bias_correction(self.beta_3, t))
        direction = m * (1.0 / bias_correction(self.beta_1, t))
        direction = add_scaled(direction, v, self.beta_2 / bias_correction(self.beta_2, t))
        p = descend(p, direction, lr * correction, over=root(n, outside=self.epsilon * correction))
        return p, m, v, n, g
