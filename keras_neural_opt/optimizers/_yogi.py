"""Yogi."""

from typing import Any

import keras

from keras_neural_opt._core.arguments import fraction, nonnegative
from keras_neural_opt._core.tensors import (
    Scalar,
    Tensors,
    add_product,
    bias_correction,
    descend,
    ema,
    root,
    sign,
    square,
)
from keras_neural_opt.optimizers._base import RuleOptimizer
from keras_neural_opt.optimizers._registry import export
from keras_neural_opt.optimizers._slot import Slot


@export
class Yogi(RuleOptimizer):
    r"""Yogi (Zaheer et al., 2018).

    Adam whose mean square moves by a step of fixed size towards the new square, so that the effective learning rate
    never jumps up after a quiet stretch. For sparse gradients and unstable losses, where `Adam` forgets too fast.

    .. math::
        m_t &= \beta_1 m_{t-1} + (1 - \beta_1) g_t, \qquad
        v_t = v_{t-1} - (1 - \beta_2) \operatorname{sign}(v_{t-1} - g_t^2)\, g_t^2 \\
        \theta_t &= \theta_{t-1}
        - \frac{\eta}{1 - \beta_1^t} \frac{m_t}{\sqrt{v_t / (1 - \beta_2^t)} + \epsilon}

    Args:
        learning_rate: :math:`\eta`, a number >= 0, a schedule or a function without arguments. Defaults to 0.01.
        beta_1: Decay of the mean, in [0, 1). Defaults to 0.9.
        beta_2: One minus the size of a step of the mean square, in [0, 1). Defaults to 0.999.
        epsilon: :math:`\epsilon \ge 0`, added to the corrected root. Defaults to 0.001.
        initial_accumulator_value: :math:`v_0 \ge 0`. Defaults to 1e-6.
        **kwargs: The arguments of `RuleOptimizer`.

    Raises:
        ValueError: An argument breaks its rule.

    Example:
        >>> import keras_neural_opt as kno
        >>> optimizer = kno.optimizers.Yogi(0.01)

    Note:
        The paper has no bias correction; its authors' code, TensorFlow Addons and `optax.yogi` have, as here.
        :math:`m_0` is 0; optax starts it at `initial_accumulator_value`, too. State: 8 bytes a float32 parameter.
        Sparse gradients are made dense.

    References:
        Zaheer, Reddi, Sachan, Kale, Kumar, Adaptive Methods for Nonconvex Optimization, 2018,
        https://www.proceedings.neurips.cc/paper/2018/hash/90365351ccc7437a1309dc64e4db32a3-Abstract.html
    """

    beta_1: float
    beta_2: float
    epsilon: float
    initial_accumulator_value: float
    fixed = ("initial_accumulator_value",)

    def __init__(
        self,
        learning_rate: Any = 0.01,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 0.001,
        initial_accumulator_value: float = 1e-6,
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate, **kwargs)
        self.set_hyperparameters(
            beta_1=fraction(beta_1),
            beta_2=fraction(beta_2),
            epsilon=nonnegative(epsilon),
            initial_accumulator_value=nonnegative(initial_accumulator_value),
        )

    @property
    def slots(self) -> tuple[str | Slot, ...]:  # type: ignore[override]
        start = keras.initializers.Constant(self.initial_accumulator_value)
        return "momentum", Slot("velocity", initializer=start)

    def rule(self, p: Tensors, g: Tensors, lr: Scalar, t: Scalar, m: Tensors, v: Tensors) -> Any:  # type: ignore[override]
        m, squared = ema(m, g, self.beta_1), square(g)
        v = add_product(v, sign(v - squared), squared, self.beta_2 - 1.0)
        correction = root(bias_correction(self.beta_2, t))
        step = lr * correction / bias_correction(self.beta_1, t)
        return descend(p, m, step, over=root(v, outside=self.epsilon * correction)), m, v
