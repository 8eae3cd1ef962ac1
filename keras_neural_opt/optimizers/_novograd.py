"""NovoGrad."""

from typing import Any

from keras_neural_opt._core.arguments import flag, fraction, nonnegative
from keras_neural_opt._core.norms import norm
from keras_neural_opt._core.tensors import (
    Scalar,
    Tensors,
    add_quotient,
    add_scaled,
    descend,
    lerp,
    root,
    scale,
    select,
    square,
)
from keras_neural_opt.optimizers._base import RuleOptimizer
from keras_neural_opt.optimizers._registry import export
from keras_neural_opt.optimizers._slot import Slot


@export
class NovoGrad(RuleOptimizer):
    r"""NovoGrad (Ginsburg et al., 2019).

    SGD with momentum on gradients that are divided by their layer's norm: one second moment a variable instead of one
    an element. Half the state of `Adam`, robust to the learning rate and to large batches; the usual choice for
    convolutional speech recognition.

    .. math::
        v_t &= \beta_2 v_{t-1} + (1 - \beta_2) \lVert g_t \rVert^2, \qquad v_1 = \lVert g_1 \rVert^2 \\
        m_t &= \beta_1 m_{t-1} + \frac{g_t}{\sqrt{v_t} + \epsilon} + w\, \theta_{t-1}, \qquad
        \theta_t = \theta_{t-1} - \eta\, m_t

    Args:
        learning_rate: :math:`\eta`, a number >= 0, a schedule or a function without arguments. Defaults to 0.001.
        beta_1: Decay of the momentum, in [0, 1). Defaults to 0.95.
        beta_2: Decay of the mean square norm, in [0, 1). Defaults to 0.98.
        epsilon: :math:`\epsilon \ge 0`. Defaults to 1e-8.
        grad_averaging: Whether the momentum is a mean: new terms are multiplied by :math:`1 - \beta_1`. Defaults to
            False.
        **kwargs: The arguments of `RuleOptimizer`; `weight_decay` is :math:`w`, inside the momentum.

    Raises:
        ValueError: An argument breaks its rule.

    Example:
        >>> import keras_neural_opt as kno
        >>> optimizer = kno.optimizers.NovoGrad(0.01, weight_decay=0.001)

    Note:
        As `optax.novograd`, whose default `b2` is 0.25. State: 4 bytes a float32 parameter and 4 bytes a variable.
        Sparse gradients are made dense.

    References:
        Ginsburg, Castonguay, Hrinchuk, Kuchaiev, Lavrukhin, Leary, Li, Nguyen, Zhang, Cohen, Training Deep Networks
        with Stochastic Normalized Gradients, 2019, https://arxiv.org/abs/1905.11286
    """

    beta_1: float
    beta_2: float
    epsilon: float
    grad_averaging: bool
    slots = ("momentum", Slot("velocity", shape=lambda shape: ()))
    elementwise = False
    decay_in_rule = True

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.95,
        beta_2: float = 0.98,
        epsilon: float = 1e-8,
        grad_averaging: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate, **kwargs)
        self.set_hyperparameters(
            beta_1=fraction(beta_1),
            beta_2=fraction(beta_2),
            epsilon=nonnegative(epsilon),
            grad_averaging=flag(grad_averaging),
        )

    def rule(  # type: ignore[override]
        self, p: Tensors, g: Tensors, lr: Scalar, t: Scalar, m: Tensors, v: Tensors, *, decay: Tensors
    ) -> Any:
        v = lerp(v, square(norm(g)), select(t < 1.5, 1.0, 1.0 - self.beta_2))
        weight = 1.0 - self.beta_1 if self.grad_averaging else 1.0
        m = add_quotient(scale(m, self.beta_1), g, root(v, outside=self.epsilon), weight)
        if self.weight_decay:
            m = add_scaled(m, p * decay, weight)
        return descend(p, m, lr), m, v
