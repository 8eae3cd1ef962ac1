"""Adadelta."""

from typing import Any

from keras_neural_opt._core.arguments import fraction, nonnegative
from keras_neural_opt._core.tensors import Scalar, Tensors, descend, ema_of_square, root
from keras_neural_opt.optimizers._base import RuleOptimizer
from keras_neural_opt.optimizers._registry import export


@export
class Adadelta(RuleOptimizer):
    r"""Adadelta (Zeiler, 2012).

    Steps in the units of the parameters: the root of recent squared updates over the root of recent squared gradients.
    The paper's form needs no learning rate, that is `learning_rate=1.0`. Robust, but slow to start.

    .. math::
        s_t &= \rho s_{t-1} + (1 - \rho) g_t^2, \qquad
        \Delta_t = \frac{\sqrt{u_{t-1} + \epsilon}}{\sqrt{s_t + \epsilon}}\, g_t \\
        u_t &= \rho u_{t-1} + (1 - \rho) \Delta_t^2, \qquad \theta_t = \theta_{t-1} - \eta \Delta_t

    Args:
        learning_rate: :math:`\eta`, a number >= 0, a schedule or a function without arguments. Defaults to 0.001, as
            in Keras; the paper's is 1.0.
        rho: Decay of both averages, in [0, 1). Defaults to 0.95.
        epsilon: :math:`\epsilon \ge 0`, added inside both roots. Defaults to 1e-7.
        **kwargs: The arguments of `RuleOptimizer`.

    Raises:
        ValueError: An argument breaks its rule.

    Example:
        >>> import keras_neural_opt as kno
        >>> optimizer = kno.optimizers.Adadelta(1.0)

    Note:
        Same arguments, defaults and numerics as `keras.optimizers.Adadelta`; `torch.optim.Adadelta` agrees with
        `rho=0.9, epsilon=1e-6` set here. State: 8 bytes a float32 parameter. A `tf.IndexedSlices` gradient updates its
        own rows only, at their cost: the averages of the other rows then keep their values, where a dense gradient of
        zeros would let them decay.

    References:
        Zeiler, ADADELTA: An Adaptive Learning Rate Method, 2012, https://arxiv.org/abs/1212.5701
    """

    rho: float
    epsilon: float
    slots = ("accumulated_grad", "accumulated_delta_var")
    sparse_rows = True

    def __init__(self, learning_rate: Any = 0.001, rho: float = 0.95, epsilon: float = 1e-7, **kwargs: Any) -> None:
        super().__init__(learning_rate, **kwargs)
        self.set_hyperparameters(rho=fraction(rho), epsilon=nonnegative(epsilon))

    def rule(self, p: Tensors, g: Tensors, lr: Scalar, t: Scalar, s: Tensors, u: Tensors) -> Any:  # type: ignore[override]
        s = ema_of_square(s, g, self.rho)
        delta = root(u, inside=self.epsilon) / root(s, inside=self.epsilon) * g
        return descend(p, delta, lr), s, ema_of_square(u, delta, self.rho)
