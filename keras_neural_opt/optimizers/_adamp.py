"""AdamP."""

from typing import Any

from keras_neural_opt._core.arguments import closed_fraction, flag, fraction, positive
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
from keras_neural_opt.optimizers._projection import project, shrink
from keras_neural_opt.optimizers._registry import export


@export
class AdamP(RuleOptimizer):
    r"""AdamP (Heo et al., 2021).

    Adam that does not let the weights before a batch or layer norm grow: momentum makes them longer, and so their
    effective learning rate smaller. For nets full of norms, above all convolutional ones; elsewhere it is `AdamW`.

    .. math::
        m_t &= \beta_1 m_{t-1} + (1 - \beta_1) g_t, \qquad v_t = \beta_2 v_{t-1} + (1 - \beta_2) g_t^2, \qquad
        u_t = \frac{m_t}{\sqrt{v_t / (1 - \beta_2^t)} + \epsilon} \\
        \theta_t &= \theta_{t-1} - \frac{\eta}{1 - \beta_1^t} \begin{cases}
        u_t - \theta\, (\theta \cdot u_t) / \lVert \theta \rVert^2
        & \cos(\theta_{t-1}, g_t) < \delta / \sqrt{\dim \theta} \\ u_t & \text{else} \end{cases}

    Args:
        learning_rate: :math:`\eta`, a number >= 0, a schedule or a function without arguments. Defaults to 0.001.
        beta_1: Decay of the mean, in [0, 1). Defaults to 0.9.
        beta_2: Decay of the mean square, in [0, 1). Defaults to 0.999.
        epsilon: :math:`\epsilon > 0`, added to the corrected root and to norms. Defaults to 1e-8.
        delta: :math:`\delta > 0`. The cosine is that of each output channel (the last axis), and if one is larger,
            that of the whole variable. Defaults to 0.1.
        wd_ratio: By how much less a variable is decayed in a step that was projected, in [0, 1]. Defaults to 0.1.
        nesterov: Whether the step looks ahead along the momentum. Defaults to False.
        **kwargs: The arguments of `RuleOptimizer`.

    Raises:
        ValueError: An argument breaks its rule.

    Example:
        >>> import keras_neural_opt as kno
        >>> optimizer = kno.optimizers.AdamP(1e-3, weight_decay=0.01)

    Note:
        As the authors' package, whose channels are the first axis, as torch has them. Scalars and vectors are never
        projected. State: 8 bytes a float32 parameter. Sparse gradients are made dense.

    References:
        Heo, Chun, Oh, Han, Yun, Kim, Uh, Ha, AdamP: Slowing Down the Slowdown for Momentum Optimizers on
        Scale-invariant Weights, 2021, https://arxiv.org/abs/2006.08217
    """

    beta_1: float
    beta_2: float
    epsilon: float
    delta: float
    wd_ratio: float
    nesterov: bool
    slots = ("momentum", "velocity")
    elementwise = False
    decay_in_rule = True

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        delta: float = 0.1,
        wd_ratio: float = 0.1,
        nesterov: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate, **kwargs)
        self.set_hyperparameters(
            beta_1=fraction(beta_1),
            beta_2=fraction(beta_2),
            epsilon=positive(epsilon),
            delta=positive(delta),
            wd_ratio=closed_fraction(wd_ratio),
            nesterov=flag(nesterov),
        )

    def rule(  # type: ignore[override]
        self, p: Tensors, g: Tensors, lr: Scalar, t: Scalar, m: Tensors, v: Tensors, *, decay: Tensors
    ) -> Any:
        m, v = ema(m, g, self.beta_1), ema_of_square(v, g, self.beta_2)
        ahead = add_scaled(m * self.beta_1, g, 1.0 - self.beta_1) if self.nesterov else m
        correction = root(bias_correction(self.beta_2, t))
        step, projected = project(ahead / root(v, outside=self.epsilon * correction), p, g, self.delta, self.epsilon)
        if self.weight_decay:
            p = shrink(p, decay, lr, projected, self.wd_ratio)
        return descend(p, step, lr * correction / bias_correction(self.beta_1, t)), m, v
