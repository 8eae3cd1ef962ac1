"""Adafactor."""

from typing import Any

from keras_neural_opt._core.arguments import flag, negative, nonnegative, positive
from keras_neural_opt._core.scalars import minimum
from keras_neural_opt._core.tensors import Scalar, Tensors, descend, lerp, maximum, on_marked, root, shift, square
from keras_neural_opt.optimizers._base import RuleOptimizer
from keras_neural_opt.optimizers._factored import (
    average,
    clip_root_mean_square,
    factor_slots,
    over_root,
    root_mean_square,
    unfactored,
)
from keras_neural_opt.optimizers._registry import export
from keras_neural_opt.optimizers._slot import Slot


@export
class Adafactor(RuleOptimizer):
    r"""Adafactor (Shazeer and Stern, 2018).

    RMSprop whose second moment is kept as the means of its rows and columns: next to no state. Steps are relative to
    the size of a variable. For models that barely fit the memory; with more of it, `AdamW` is easier to tune.

    .. math::
        w_t &= t^{\gamma}, \qquad
        R_t = (1 - w_t) R_{t-1} + w_t \operatorname{mean}_{-1}(g_t^2 + \epsilon_1), \qquad
        C_t = (1 - w_t) C_{t-1} + w_t \operatorname{mean}_{-2}(g_t^2 + \epsilon_1) \\
        u_t &= g_t \Big/ \sqrt{R_t C_t / \operatorname{mean}(R_t)}, \qquad
        \theta_t = \theta_{t-1} - \min(\eta, t^{-1/2}) \max(\epsilon_2, \operatorname{rms}(\theta_{t-1}))
        \frac{u_t}{\max(1, \operatorname{rms}(u_t) / d)}

    Args:
        learning_rate: :math:`\eta`, a number >= 0, a schedule or a function without arguments. Defaults to 0.001.
        beta_2_decay: :math:`\gamma < 0`: how fast the moments get slower. Defaults to -0.8.
        epsilon_1: :math:`\epsilon_1 \ge 0`, added to squared gradients. Defaults to 1e-30.
        epsilon_2: :math:`\epsilon_2 \ge 0`, the least size of a variable. Defaults to 0.001.
        clip_threshold: :math:`d > 0`, the largest root mean square of a step. Defaults to 1.
        relative_step: Taken because Keras' class takes it, and like there without effect: the rate is at most
            :math:`t^{-1/2}` either way. Defaults to True.
        **kwargs: The arguments of `RuleOptimizer`.

    Raises:
        ValueError: An argument breaks its rule.

    Example:
        >>> import keras_neural_opt as kno
        >>> optimizer = kno.optimizers.Adafactor(0.01)

    Note:
        Same arguments, defaults and numerics as `keras.optimizers.Adafactor`, which keeps the whole second moment
        besides; as `torch.optim.Adafactor`. State: 4 bytes a float32 row and column of the
        last two dimensions, 4 bytes an element of scalars and vectors. Sparse gradients are made dense.

    References:
        Shazeer, Stern, Adafactor: Adaptive Learning Rates with Sublinear Memory Cost, 2018,
        https://arxiv.org/abs/1804.04235
    """

    beta_2_decay: float
    epsilon_1: float
    epsilon_2: float
    clip_threshold: float
    relative_step: bool
    slots = (*factor_slots("rows", "columns"), Slot("velocity", shape=unfactored))
    elementwise = False
    fixed = ("beta_2_decay",)

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_2_decay: float = -0.8,
        epsilon_1: float = 1e-30,
        epsilon_2: float = 1e-3,
        clip_threshold: float = 1.0,
        relative_step: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate, **kwargs)
        self.set_hyperparameters(
            beta_2_decay=negative(beta_2_decay),
            epsilon_1=nonnegative(epsilon_1),
            epsilon_2=nonnegative(epsilon_2),
            clip_threshold=positive(clip_threshold),
            relative_step=flag(relative_step),
        )

    def marks(self, variable: Any) -> dict[str, Any]:
        return {"factored": len(variable.shape) >= 2}

    def rule(  # type: ignore[override]
        self,
        p: Tensors,
        g: Tensors,
        lr: Scalar,
        t: Scalar,
        rows: Tensors,
        columns: Tensors,
        v: Tensors,
        *,
        factored: list[bool],
    ) -> Any:
        squared, weight = shift(square(g), self.epsilon_1), t**self.beta_2_decay
        whole = [not mark for mark in factored]
        rows, columns = average(factored, rows, columns, squared, weight)
        v = on_marked(whole, lambda v, x: lerp(v, x, weight), v, squared)
        step = on_marked(factored, over_root, g, rows, columns)
        step = on_marked(whole, lambda x, v: x / root(v), step, v)
        size = maximum(root_mean_square(p), self.epsilon_2) * minimum(lr, t**-0.5)
        return descend(p, clip_root_mean_square(step, self.clip_threshold), size), rows, columns, v
