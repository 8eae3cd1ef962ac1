"""Stochastic gradient descent with momentum."""

from functools import partial
from typing import Any

from keras_neural_opt._core.arguments import flag, fraction
from keras_neural_opt._core.tensors import Scalar, Tensors, add_scaled, descend, scale
from keras_neural_opt.optimizers._base import RuleOptimizer
from keras_neural_opt.optimizers._registry import export


@export
class SGD(RuleOptimizer):
    r"""Stochastic gradient descent with momentum (Polyak, 1964) or Nesterov momentum (Sutskever et al., 2013).

    With momentum, weight decay and a schedule still the method to beat for convolutional nets. It needs its learning
    rate tuned more than Adam does, and no warm-up. Without momentum it keeps no state.

    .. math::
        m_t &= \mu m_{t-1} - \eta g_t \\
        \theta_t &= \theta_{t-1} + m_t \quad\text{or, Nesterov,}\quad
        \theta_{t-1} + \mu m_t - \eta g_t

    Args:
        learning_rate: :math:`\eta`, a number >= 0, a schedule or a function without arguments. Defaults to 0.01.
        momentum: :math:`\mu` in [0, 1). Defaults to 0: no momentum.
        nesterov: Whether the step looks ahead along the momentum. Defaults to False.
        **kwargs: The arguments of `RuleOptimizer`.

    Raises:
        ValueError: An argument breaks its rule.

    Example:
        >>> import keras
        >>> import keras_neural_opt as kno
        >>> v = keras.Variable([1.0])
        >>> optimizer = kno.optimizers.SGD(0.5, momentum=0.9)
        >>> optimizer.apply([keras.ops.ones(1)], [v])
        >>> float(v.numpy()[0])
        0.5

    Note:
        Same arguments, defaults and numerics as `keras.optimizers.SGD`. The momentum holds the learning rate, as in
        Keras; in `torch.optim.SGD` and `optax.sgd` it does not, which differs when the rate changes. State: 4 bytes
        a float32 parameter with momentum, none without. Without momentum a `tf.IndexedSlices` gradient updates its
        own rows only, at their cost; with momentum it is made dense, since every row moves.

    References:
        Sutskever, Martens, Dahl, Hinton, On the importance of initialization and momentum in deep learning, 2013,
        https://proceedings.mlr.press/v28/sutskever13.html
    """

    momentum: float
    nesterov: bool

    def __init__(self, learning_rate: Any = 0.01, momentum: float = 0.0, nesterov: bool = False, **kwargs: Any) -> None:
        super().__init__(learning_rate, **kwargs)
        self.set_hyperparameters(momentum=fraction(momentum), nesterov=flag(nesterov))

    @property
    def slots(self) -> tuple[str, ...]:  # type: ignore[override]
        return ("momentum",) if self.momentum else ()

    @property
    def sparse_rows(self) -> bool:  # type: ignore[override]
        return not self.momentum

    def rule(self, p: Tensors, g: Tensors, lr: Scalar, t: Scalar, m: Tensors | None = None) -> Any:  # type: ignore[override]
        if m is None:
            return descend(p, g, lr)
        m = descend(scale(m, self.momentum), g, lr)
        if self.nesterov:
            return descend(add_scaled(p, m, self.momentum), g, lr), m
        return add_scaled(p, m, 1.0), m

    def fused(self, kernels: Any) -> Any:
        # The kernel adds weight decay to the gradient: with momentum that is not the decoupled kind.
        decoupled = self.weight_decay and self.weight_decay_mode != "l2"
        # Without momentum the kernel leaves the slot alone, which a schedule may fill again.
        stands_still = self.follows_schedules and not self.momentum
        if self.nesterov or stands_still or (self.momentum and decoupled):
            return None
        return partial(kernels.sgd, momentum=self.momentum)
