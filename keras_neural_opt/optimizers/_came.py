"""CAME."""

from typing import Any

from keras_neural_opt._core.arguments import fraction, nonnegative, positive
from keras_neural_opt._core.tensors import (
    Scalar,
    Tensors,
    descend,
    ema,
    lerp,
    on_marked,
    root,
    shift,
    square,
)
from keras_neural_opt.optimizers._base import RuleOptimizer
from keras_neural_opt.optimizers._factored import average, clip_root_mean_square, factor_slots, over_root, unfactored
from keras_neural_opt.optimizers._registry import export
from keras_neural_opt.optimizers._slot import Slot


@export
class CAME(RuleOptimizer):
    r"""CAME, confidence-guided adaptive memory-efficient optimization (Luo et al., 2023).

    `Adafactor` with a momentum, and shorter steps where the momentum disagrees with the new step. Trains language
    models as well as `AdamW` does, with half of its state.

    .. math::
        u_t &= g_t / \sqrt{V_t}, \qquad \hat u_t = u_t / \max(1, \operatorname{rms}(u_t) / d), \qquad
        m_t = \beta_1 m_{t-1} + (1 - \beta_1) \hat u_t \\
        \theta_t &= \theta_{t-1} - \eta\, m_t / \sqrt{S_t}

    where :math:`V_t` and :math:`S_t` stand for the moving averages, with :math:`\beta_2` and :math:`\beta_3`, of
    :math:`g_t^2 + \epsilon_1` and of :math:`(\hat u_t - m_t)^2 + \epsilon_2`, kept by their rows and columns. Scalars
    and vectors have a whole :math:`V_t` and no :math:`S_t`.

    Args:
        learning_rate: :math:`\eta`, a number >= 0, a schedule or a function without arguments. Defaults to 2e-4.
        beta_1: Decay of the momentum, in [0, 1). Defaults to 0.9.
        beta_2: Decay of the mean square, in [0, 1). Defaults to 0.999.
        beta_3: Decay of the mean square disagreement, in [0, 1). Defaults to 0.9999.
        epsilon_1: :math:`\epsilon_1 \ge 0`, added to squared gradients. Defaults to 1e-30.
        epsilon_2: :math:`\epsilon_2 \ge 0`, added to squared disagreements. Defaults to 1e-16.
        clip_threshold: :math:`d > 0`, the largest root mean square of :math:`\hat u_t`. Defaults to 1.
        **kwargs: The arguments of `RuleOptimizer`.

    Raises:
        ValueError: An argument breaks its rule.

    Example:
        >>> import keras_neural_opt as kno
        >>> optimizer = kno.optimizers.CAME(2e-4, weight_decay=0.01)

    Note:
        As the authors' code. Where gradients have no noise, momentum and step agree ever more and steps grow without
        bound: raise `epsilon_2`. State: 4 bytes a float32 parameter and 8 bytes a row and column of the last two
        dimensions; 8 bytes a parameter of scalars and vectors. Sparse gradients are made dense.

    References:
        Luo, Ren, Zheng, Jiang, Jiang, You, CAME: Confidence-guided Adaptive Memory Efficient Optimization, 2023,
        https://arxiv.org/abs/2307.02047
    """

    beta_1: float
    beta_2: float
    beta_3: float
    epsilon_1: float
    epsilon_2: float
    clip_threshold: float
    slots = (
        "momentum",
        *factor_slots("rows", "columns"),
        Slot("velocity", shape=unfactored),
        *factor_slots("residual_rows", "residual_columns"),
    )
    elementwise = False

    def __init__(
        self,
        learning_rate: Any = 2e-4,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        beta_3: float = 0.9999,
        epsilon_1: float = 1e-30,
        epsilon_2: float = 1e-16,
        clip_threshold: float = 1.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate, **kwargs)
        self.set_hyperparameters(
            beta_1=fraction(beta_1),
            beta_2=fraction(beta_2),
            beta_3=fraction(beta_3),
            epsilon_1=nonnegative(epsilon_1),
            epsilon_2=nonnegative(epsilon_2),
            clip_threshold=positive(clip_threshold),
        )

    def marks(self, variable: Any) -> dict[str, Any]:
        return {"factored": len(variable.shape) >= 2}

    def rule(  # type: ignore[override]
        self,
        p: Tensors,
        g: Tensors,
        lr: Scalar,
        t: Scalar,
        m: Tensors,
        rows: Tensors,
        columns: Tensors,
        v: Tensors,
        residual_rows: Tensors,
        residual_columns: Tensors,
        *,
        factored: list[bool],
    ) -> Any:
        squared = shift(square(g), self.epsilon_1)
        whole = [not mark for mark in factored]
        rows, columns = average(factored, rows, columns, squared, 1.0 - self.beta_2)
        v = on_marked(whole, lambda v, x: lerp(v, x, 1.0 - self.beta_2), v, squared)
        step = on_marked(factored, over_root, g, rows, columns)
        step = clip_root_mean_square(on_marked(whole, lambda x, v: x / root(v), step, v), self.clip_threshold)
        m = ema(m, step, self.beta_1)
        residual = shift(square(step - m), self.epsilon_2)
        factors = average(factored, residual_rows, residual_columns, residual, 1.0 - self.beta_3)
        return descend(p, on_marked(factored, over_root, m, *factors), lr), m, rows, columns, v, *factors
