"""LARS and LARC."""

from typing import Any

from keras_neural_opt._core import masks
from keras_neural_opt._core.arguments import flag, fraction, nonnegative, positive
from keras_neural_opt._core.backend import native
from keras_neural_opt._core.norms import tensor_norms
from keras_neural_opt._core.tensors import Scalar, Tensors, add_scaled, descend, scale
from keras_neural_opt.optimizers._base import RuleOptimizer
from keras_neural_opt.optimizers._registry import export
from keras_neural_opt.optimizers._trust_ratio import each, trust_ratios


@export
class LARS(RuleOptimizer):
    r"""LARS, layer-wise adaptive rate scaling (You, Gitman and Ginsburg, 2017), with LARC as an option.

    `SGD` with momentum in which every variable moves by a fixed part of its own norm: no layer diverges while others
    stand still. For convolutional nets with batches of thousands, with a warm-up and a rate in proportion to the batch.
    For transformers take `LAMB`; for small batches it brings nothing.

    .. math::
        \lambda &= \frac{c \lVert \theta_{t-1} \rVert}{\lVert g_t \rVert + w \lVert \theta_{t-1} \rVert + \epsilon}
        \qquad \text{LARC: } \min(\lambda / \eta, 1) \\
        m_t &= \mu m_{t-1} - \eta \lambda (g_t + w \theta_{t-1}), \qquad \theta_t = \theta_{t-1} + m_t

    Args:
        learning_rate: :math:`\eta`, a number >= 0, a schedule or a function without arguments. Defaults to 1.
        momentum: :math:`\mu` in [0, 1). Defaults to 0.9.
        trust_coefficient: :math:`c > 0`, the part of a variable's norm by which it moves. Defaults to 0.001.
        epsilon: :math:`\epsilon \ge 0`. Defaults to 1e-8.
        nesterov: Whether the step looks ahead along the momentum. Defaults to False.
        clip: LARC: whether the rate of a variable is the smaller of :math:`\lambda` and :math:`\eta`, instead of their
            product. Defaults to False.
        trust_ratio_mask: Which variables have a :math:`\lambda`, in the forms of `weight_decay_mask`; for the others
            it is 1. Defaults to `"no_norm_no_bias"`.
        weight_decay_mask: Which variables are decayed, as in `RuleOptimizer`. Defaults to `"no_norm_no_bias"`.
        **kwargs: The other arguments of `RuleOptimizer`; `weight_decay` is :math:`w`, inside the step.

    Raises:
        ValueError: An argument breaks its rule.

    Example:
        >>> import keras_neural_opt as kno
        >>> optimizer = kno.optimizers.LARS(4.0, weight_decay=1e-4)

    Note:
        The paper's :math:`\lambda`; `optax.lars` has :math:`\lVert g_t + w \theta \rVert` under it, which is the same
        without decay. As in the paper and in `SGD`, the momentum holds the learning rate. Where a norm is 0
        :math:`\lambda` is 1. State: 4 bytes a float32 parameter with momentum, none without. Sparse gradients are
        made dense.

    References:
        You, Gitman, Ginsburg, Large Batch Training of Convolutional Networks, 2017, https://arxiv.org/abs/1708.03888
    """

    momentum: float
    trust_coefficient: float
    epsilon: float
    nesterov: bool
    clip: bool
    trust_ratio_mask: masks.Mask
    elementwise = False
    decay_in_rule = True

    def __init__(
        self,
        learning_rate: Any = 1.0,
        momentum: float = 0.9,
        trust_coefficient: float = 0.001,
        epsilon: float = 1e-8,
        nesterov: bool = False,
        clip: bool = False,
        trust_ratio_mask: masks.Mask = "no_norm_no_bias",
        weight_decay_mask: masks.Mask = "no_norm_no_bias",
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate, weight_decay_mask=weight_decay_mask, **kwargs)
        self.set_hyperparameters(
            momentum=fraction(momentum),
            trust_coefficient=positive(trust_coefficient),
            epsilon=nonnegative(epsilon),
            nesterov=flag(nesterov),
            clip=flag(clip),
            trust_ratio_mask=masks.mask(trust_ratio_mask),
        )

    @property
    def slots(self) -> tuple[str, ...]:  # type: ignore[override]
        return ("momentum",) if self.momentum else ()

    def marks(self, variable: Any) -> dict[str, Any]:
        return {"adapted": masks.selects(self.trust_ratio_mask, variable)}

    def rule(  # type: ignore[override]
        self,
        p: Tensors,
        g: Tensors,
        lr: Scalar,
        t: Scalar,
        m: Tensors | None = None,
        *,
        decay: Tensors,
        adapted: list[bool],
    ) -> Any:
        norm = tensor_norms(p)
        bottom = tensor_norms(g) + native.vector(decay.tensors, norm) * norm + self.epsilon
        if self.clip:
            trust = native.minimum(trust_ratios(norm * self.trust_coefficient, bottom * lr, adapted), 1.0)
        else:
            trust = trust_ratios(norm * self.trust_coefficient, bottom, adapted)
        step, rate = g + p * decay if self.weight_decay else g, each(p, trust * lr)
        if m is None:
            return descend(p, step, rate)
        m = descend(scale(m, self.momentum), step, rate)
        if self.nesterov:
            return descend(add_scaled(p, m, self.momentum), step, rate), m
        return add_scaled(p, m, 1.0), m
