"""RMSprop with momentum."""

from typing import Any

from keras_neural_opt._core.arguments import flag, fraction, nonnegative
from keras_neural_opt._core.tensors import (
    Scalar,
    Tensors,
    add_quotient,
    descend,
    ema,
    ema_of_square,
    root,
    scale,
    square,
)
from keras_neural_opt.optimizers._base import RuleOptimizer
from keras_neural_opt.optimizers._registry import export


@export
class RMSprop(RuleOptimizer):
    r"""RMSprop (Tieleman and Hinton, 2012), with momentum and with centering (Graves, 2013) as options.

    Divides each gradient by the root of its recent mean square. Common in reinforcement learning and for recurrent
    nets; elsewhere Adam, which adds bias correction, is usually as good or better.

    .. math::
        v_t &= \rho v_{t-1} + (1 - \rho) g_t^2, \qquad a_t = \rho a_{t-1} + (1 - \rho) g_t \\
        m_t &= \mu m_{t-1} + \eta \frac{g_t}{\sqrt{v_t - [\text{centered}]\, a_t^2 + \epsilon}}, \qquad
        \theta_t = \theta_{t-1} - m_t

    Args:
        learning_rate: :math:`\eta`, a number >= 0, a schedule or a function without arguments. Defaults to 0.001.
        rho: Decay of the mean square, in [0, 1). Defaults to 0.9.
        momentum: :math:`\mu` in [0, 1). Defaults to 0: no momentum.
        epsilon: :math:`\epsilon \ge 0`, added inside the root. Defaults to 1e-7.
        centered: Whether the gradient's recent variance replaces its mean square. Defaults to False.
        **kwargs: The arguments of `RuleOptimizer`.

    Raises:
        ValueError: An argument breaks its rule.

    Example:
        >>> import keras_neural_opt as kno
        >>> optimizer = kno.optimizers.RMSprop(1e-3, rho=0.95, momentum=0.9)

    Note:
        Same arguments, defaults and numerics as `keras.optimizers.RMSprop`. `torch.optim.RMSprop` adds epsilon outside
        the root and keeps the learning rate out of the momentum. State: 4 bytes a float32 parameter, 4 more with
        momentum, 4 more when centered. Sparse gradients are made dense.

    References:
        Tieleman, Hinton, Lecture 6.5: RMSprop, 2012,
        https://www.cs.toronto.edu/~tijmen/csc321/slides/lecture_slides_lec6.pdf;
        Graves, Generating Sequences With Recurrent Neural Networks, 2013, https://arxiv.org/abs/1308.0850
    """

    rho: float
    momentum: float
    epsilon: float
    centered: bool

    def __init__(
        self,
        learning_rate: Any = 0.001,
        rho: float = 0.9,
        momentum: float = 0.0,
        epsilon: float = 1e-7,
        centered: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate, **kwargs)
        self.set_hyperparameters(
            rho=fraction(rho),
            momentum=fraction(momentum),
            epsilon=nonnegative(epsilon),
            centered=flag(centered),
        )

    @property
    def slots(self) -> tuple[str, ...]:  # type: ignore[override]
        optional = {"momentum": bool(self.momentum), "average_gradient": self.centered}
        return ("velocity", *(name for name, kept in optional.items() if kept))

    def rule(self, p: Tensors, g: Tensors, lr: Scalar, t: Scalar, v: Tensors, *rest: Tensors) -> Any:  # type: ignore[override]
        v = ema_of_square(v, g, self.rho)
        average = [ema(rest[-1], g, self.rho)] if self.centered else []
        over = root(v - square(average[0]) if average else v, inside=self.epsilon)
        if len(rest) == len(average):  # no momentum is kept
            return descend(p, g, lr, over=over), v, *average
        m = add_quotient(scale(rest[0], self.momentum), g, over, lr)
        return descend(p, m, 1.0), v, m, *average
