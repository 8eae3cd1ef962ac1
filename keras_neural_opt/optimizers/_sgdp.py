"""SGDP."""

from typing import Any

from keras_neural_opt._core.arguments import closed_fraction, flag, fraction, positive
from keras_neural_opt._core.tensors import Scalar, Tensors, add_scaled, descend, scale
from keras_neural_opt.optimizers._base import RuleOptimizer
from keras_neural_opt.optimizers._projection import project, shrink
from keras_neural_opt.optimizers._registry import export


@export
class SGDP(RuleOptimizer):
    r"""SGDP (Heo et al., 2021).

    `SGD` with momentum that does not let the weights before a batch or layer norm grow; see `AdamP`. For convolutional
    nets.

    .. math::
        m_t &= \mu m_{t-1} + g_t \\
        \theta_t &= \theta_{t-1} - \eta \begin{cases}
        m_t - \theta\, (\theta \cdot m_t) / \lVert \theta \rVert^2
        & \cos(\theta_{t-1}, g_t) < \delta / \sqrt{\dim \theta} \\ m_t & \text{else} \end{cases}

    Args:
        learning_rate: :math:`\eta`, a number >= 0, a schedule or a function without arguments. Defaults to 0.1.
        momentum: :math:`\mu` in [0, 1). Defaults to 0.9.
        epsilon: :math:`\epsilon > 0`, added to norms. Defaults to 1e-8.
        delta: :math:`\delta > 0`, as in `AdamP`. Defaults to 0.1.
        wd_ratio: By how much less a variable is decayed in a step that was projected, in [0, 1]. Defaults to 0.1.
        nesterov: Whether the step looks ahead along the momentum. Defaults to False.
        **kwargs: The arguments of `RuleOptimizer`.

    Raises:
        ValueError: An argument breaks its rule.

    Example:
        >>> import keras_neural_opt as kno
        >>> optimizer = kno.optimizers.SGDP(0.1, weight_decay=1e-5)

    Note:
        As the authors' package: the momentum does not hold the learning rate, and weight decay is divided by
        :math:`1 - \mu`, which makes a coefficient mean what it does in L2 regularized `torch.optim.SGD`. Their
        channels are the first axis, as torch has them; here they are the last. State: 4 bytes a float32 parameter.
        Sparse gradients are made dense.

    References:
        Heo, Chun, Oh, Han, Yun, Kim, Uh, Ha, AdamP: Slowing Down the Slowdown for Momentum Optimizers on
        Scale-invariant Weights, 2021, https://arxiv.org/abs/2006.08217
    """

    momentum: float
    epsilon: float
    delta: float
    wd_ratio: float
    nesterov: bool
    slots = ("momentum",)
    elementwise = False
    decay_in_rule = True

    def __init__(
        self,
        learning_rate: Any = 0.1,
        momentum: float = 0.9,
        epsilon: float = 1e-8,
        delta: float = 0.1,
        wd_ratio: float = 0.1,
        nesterov: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate, **kwargs)
        self.set_hyperparameters(
            momentum=fraction(momentum),
            epsilon=positive(epsilon),
            delta=positive(delta),
            wd_ratio=closed_fraction(wd_ratio),
            nesterov=flag(nesterov),
        )

    def rule(  # type: ignore[override]
        self, p: Tensors, g: Tensors, lr: Scalar, t: Scalar, m: Tensors, *, decay: Tensors
    ) -> Any:
        m = add_scaled(scale(m, self.momentum), g, 1.0)
        ahead = add_scaled(m * self.momentum, g, 1.0) if self.nesterov else m
        step, projected = project(ahead, p, g, self.delta, self.epsilon)
        if self.weight_decay:
            p = shrink(p, decay, lr / (1.0 - self.momentum), projected, self.wd_ratio)
        return descend(p, step, lr), m
