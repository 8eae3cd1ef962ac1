"""Adagrad."""

from typing import Any

import keras

from keras_neural_opt._core.arguments import nonnegative
from keras_neural_opt._core.tensors import Scalar, Tensors, add_scaled, descend, root, square
from keras_neural_opt.optimizers._base import RuleOptimizer
from keras_neural_opt.optimizers._registry import export
from keras_neural_opt.optimizers._slot import Slot


@export
class Adagrad(RuleOptimizer):
    r"""Adagrad (Duchi et al., 2011).

    Each coordinate's rate falls with the squares of all its gradients so far: rare features keep large steps. Made for
    sparse data and convex problems; in long training of deep nets its steps become too small.

    .. math::
        s_t = s_{t-1} + g_t^2, \qquad \theta_t = \theta_{t-1} - \eta \frac{g_t}{\sqrt{s_t + \epsilon}}

    Args:
        learning_rate: :math:`\eta`, a number >= 0, a schedule or a function without arguments. Defaults to 0.001;
            the paper's problems want 0.01 to 1.
        initial_accumulator_value: :math:`s_0 \ge 0`. Defaults to 0.1.
        epsilon: :math:`\epsilon \ge 0`, added inside the root. Defaults to 1e-7.
        **kwargs: The arguments of `RuleOptimizer`.

    Raises:
        ValueError: An argument breaks its rule.

    Example:
        >>> import keras_neural_opt as kno
        >>> optimizer = kno.optimizers.Adagrad(0.1)

    Note:
        Same arguments, defaults and numerics as `keras.optimizers.Adagrad`. `torch.optim.Adagrad` starts at 0 and adds
        epsilon outside the root. State: 4 bytes a float32 parameter, for the sum, which epsilon is added to at its
        start. A `tf.IndexedSlices` gradient updates its own rows only, at their cost, exactly as the dense gradient
        would.

    References:
        Duchi, Hazan, Singer, Adaptive Subgradient Methods for Online Learning and Stochastic Optimization, 2011,
        https://jmlr.org/papers/v12/duchi11a.html
    """

    initial_accumulator_value: float
    epsilon: float
    sparse_rows = True
    fixed = ("initial_accumulator_value", "epsilon")

    def __init__(
        self,
        learning_rate: Any = 0.001,
        initial_accumulator_value: float = 0.1,
        epsilon: float = 1e-7,
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate, **kwargs)
        self.set_hyperparameters(
            initial_accumulator_value=nonnegative(initial_accumulator_value), epsilon=nonnegative(epsilon)
        )

    @property
    def slots(self) -> tuple[Slot, ...]:  # type: ignore[override]
        # The accumulator only grows, so epsilon is added once, at its start: to the same sum, for a pass less a step.
        return (Slot("accumulator", keras.initializers.Constant(self.initial_accumulator_value + self.epsilon)),)

    def rule(self, p: Tensors, g: Tensors, lr: Scalar, t: Scalar, s: Tensors) -> Any:  # type: ignore[override]
        s = add_scaled(s, square(g), 1.0)
        return descend(p, g, lr, over=root(s)), s

    def fused(self, kernels: Any) -> Any:
        # The kernel adds weight decay to the gradient: that is not the decoupled kind.
        return None if self.weight_decay and self.weight_decay_mode != "l2" else kernels.adagrad
