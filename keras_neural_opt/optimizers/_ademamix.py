"""AdEMAMix."""

import math
from typing import Any

from keras_neural_opt._core.arguments import fraction, integer, nonnegative, optional
from keras_neural_opt._core.scalars import expm1, minimum
from keras_neural_opt._core.tensors import (
    Scalar,
    Tensors,
    add_scaled,
    bias_correction,
    descend,
    ema,
    ema_of_square,
    lerp,
    root,
)
from keras_neural_opt.optimizers._base import RuleOptimizer
from keras_neural_opt.optimizers._registry import export


@export
class AdEMAMix(RuleOptimizer):
    r"""AdEMAMix (Pagliardini, Ablin and Grangier, 2024).

    AdamW with a second, very slow momentum that remembers gradients for tens of thousands of steps. For long runs of
    language models, where it needs about half of the tokens; below some ten thousand steps it brings nothing.

    .. math::
        m_t &= \beta_1 m_{t-1} + (1 - \beta_1) g_t, \qquad
        s_t = \beta_3^{(t)} s_{t-1} + (1 - \beta_3^{(t)}) g_t, \qquad
        v_t = \beta_2 v_{t-1} + (1 - \beta_2) g_t^2 \\
        \theta_t &= \theta_{t-1} - \eta
        \frac{m_t / (1 - \beta_1^t) + \alpha^{(t)} s_t}{\sqrt{v_t / (1 - \beta_2^t)} + \epsilon}

    Args:
        learning_rate: :math:`\eta`, a number >= 0, a schedule or a function without arguments. Defaults to 0.001.
        beta_1: Decay of the fast mean, in [0, 1). Defaults to 0.9.
        beta_2: Decay of the mean square, in [0, 1). Defaults to 0.999.
        beta_3: Decay of the slow mean, in [0, 1). Defaults to 0.9999.
        alpha: The weight :math:`\alpha \ge 0` of the slow mean. Defaults to 5.
        warmup_steps: None, or the number of steps >= 1 in which :math:`\alpha` grows from 0 and the slow mean's
            half-life from that of `beta_1`, linearly; about the length of the training. Defaults to None: at once.
        epsilon: :math:`\epsilon \ge 0`, added to the corrected root. Defaults to 1e-8.
        **kwargs: The arguments of `RuleOptimizer`.

    Raises:
        ValueError: An argument breaks its rule.

    Example:
        >>> import keras_neural_opt as kno
        >>> optimizer = kno.optimizers.AdEMAMix(1e-3, warmup_steps=100_000, weight_decay=0.1)

    Note:
        As the authors' code, whose `beta3_warmup` and `alpha_warmup` are one argument here. `optax.contrib.ademamix`
        takes schedules for both. State: 12 bytes a float32 parameter. Sparse gradients are made dense.

    References:
        Pagliardini, Ablin, Grangier, The AdEMAMix Optimizer: Better, Faster, Older, 2024,
        https://arxiv.org/abs/2409.03137
    """

    beta_1: float
    beta_2: float
    beta_3: float
    alpha: float
    warmup_steps: int | None
    epsilon: float
    slots = ("momentum", "slow_momentum", "velocity")
    fixed = ("beta_1", "beta_3")

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        beta_3: float = 0.9999,
        alpha: float = 5.0,
        warmup_steps: int | None = None,
        epsilon: float = 1e-8,
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate, **kwargs)
        self.set_hyperparameters(
            beta_1=fraction(beta_1),
            beta_2=fraction(beta_2),
            beta_3=fraction(beta_3),
            alpha=nonnegative(alpha),
            warmup_steps=optional(integer(warmup_steps, 1)),
            epsilon=nonnegative(epsilon),
        )

    def rule(  # type: ignore[override]
        self, p: Tensors, g: Tensors, lr: Scalar, t: Scalar, m: Tensors, s: Tensors, v: Tensors
    ) -> Any:
        warm = minimum(t / self.warmup_steps, 1.0) if self.warmup_steps else 1.0
        m, v = ema(m, g, self.beta_1), ema_of_square(v, g, self.beta_2)
        s = lerp(s, g, slow_weight(self.beta_1, self.beta_3, warm))
        correction = root(bias_correction(self.beta_2, t))
        direction = add_scaled(m * (1.0 / bias_correction(self.beta_1, t)), s, self.alpha * warm)
        p = descend(p, direction, lr * correction, over=root(v, outside=self.epsilon * correction))
        return p, m, s, v


def slow_weight(beta_1: float, beta_3: float, warm: Scalar) -> Scalar:
    r"""Return one minus the slow decay, whose half-life has gone the part `warm` of its way from that of `beta_1`.

    A half-life is proportional to :math:`1 / \log \beta`. By `expm1`: float32 does not hold `1 - 0.9999` from 0.9999.
    """
    if not beta_3:
        return 1.0
    slow = math.log(beta_3)
    if not beta_1:
        return -expm1(slow / warm)
    fast = math.log(beta_1)
    return -expm1(fast * slow / (slow + (fast - slow) * warm))
