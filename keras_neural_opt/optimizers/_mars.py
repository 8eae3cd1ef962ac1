"""MARS."""

from typing import Any

from keras_neural_opt._core.arguments import flag, fraction, nonnegative
from keras_neural_opt._core.norms import norm
from keras_neural_opt._core.tensors import (
    Scalar,
    Tensors,
    bias_correction,
    descend,
    ema,
    ema_of_square,
    maximum,
    on_marked,
    root,
)
from keras_neural_opt.optimizers._base import RuleOptimizer
from keras_neural_opt.optimizers._registry import export


@export
class MARS(RuleOptimizer):
    r"""MARS-AdamW, variance reduction for large models (Yuan et al., 2024).

    AdamW on gradients that are corrected by how they changed since the last step, which takes noise out of them. For
    language models, where it needs fewer tokens than `AdamW`; costs half as much memory again.

    .. math::
        c_t &= g_t + \gamma \frac{\beta_1}{1 - \beta_1} (g_t - g_{t-1}), \qquad
        \tilde c_t = c_t / \max(\lVert c_t \rVert, 1) \\
        m_t &= \beta_1 m_{t-1} + (1 - \beta_1) \tilde c_t, \qquad
        v_t = \beta_2 v_{t-1} + (1 - \beta_2) \tilde c_t^2 \\
        \theta_t &= \theta_{t-1} - \eta \frac{\sqrt{1 - \beta_2^t}}{1 - \beta_1^t} \frac{m_t}{\sqrt{v_t} + \epsilon}

    Args:
        learning_rate: :math:`\eta`, a number >= 0, a schedule or a function without arguments. Defaults to 0.003.
        beta_1: Decay of the mean, in [0, 1). Defaults to 0.95.
        beta_2: Decay of the mean square, in [0, 1). Defaults to 0.99.
        gamma: :math:`\gamma \ge 0`, the strength of the correction. Defaults to 0.025.
        epsilon: :math:`\epsilon \ge 0`, added to the root before the bias correction. Defaults to 1e-8.
        optimize_1d: Whether gradients of scalars and vectors are corrected, too; else :math:`\tilde c_t = g_t` for
            them. Defaults to False.
        **kwargs: The arguments of `RuleOptimizer`.

    Raises:
        ValueError: An argument breaks its rule.

    Example:
        >>> import keras_neural_opt as kno
        >>> optimizer = kno.optimizers.MARS(3e-3, weight_decay=0.1)

    Note:
        MARS-AdamW in its approximate form, which takes the last batch's gradient for :math:`g_{t-1}` and 0 for
        :math:`g_0`, as pytorch_optimizer has it; the authors' code adds epsilon after the bias correction, and corrects
        matrices but not the kernels of convolutions. Their separate rates and decays for vectors are not here. State:
        12 bytes a float32 parameter. Sparse gradients are made dense.

    References:
        Yuan, Liu, Wu, Zhou, Gu, MARS: Unleashing the Power of Variance Reduction for Training Large Models, 2024,
        https://arxiv.org/abs/2411.10438
    """

    beta_1: float
    beta_2: float
    gamma: float
    epsilon: float
    optimize_1d: bool
    slots = ("momentum", "velocity", "previous_gradient")
    elementwise = False

    def __init__(
        self,
        learning_rate: Any = 0.003,
        beta_1: float = 0.95,
        beta_2: float = 0.99,
        gamma: float = 0.025,
        epsilon: float = 1e-8,
        optimize_1d: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate, **kwargs)
        self.set_hyperparameters(
            beta_1=fraction(beta_1),
            beta_2=fraction(beta_2),
            gamma=nonnegative(gamma),
            epsilon=nonnegative(epsilon),
            optimize_1d=flag(optimize_1d),
        )

    def marks(self, variable: Any) -> dict[str, Any]:
        return {"corrected": self.optimize_1d or len(variable.shape) >= 2}

    def rule(  # type: ignore[override]
        self,
        p: Tensors,
        g: Tensors,
        lr: Scalar,
        t: Scalar,
        m: Tensors,
        v: Tensors,
        previous: Tensors,
        *,
        corrected: list[bool],
    ) -> Any:
        c = on_marked(corrected, self._corrected, g, previous)
        m, v = ema(m, c, self.beta_1), ema_of_square(v, c, self.beta_2)
        step = lr * root(bias_correction(self.beta_2, t)) / bias_correction(self.beta_1, t)
        return descend(p, m, step, over=root(v, outside=self.epsilon)), m, v, g

    def _corrected(self, g: Tensors, previous: Tensors) -> Tensors:
        c = g + (g - previous) * (self.gamma * self.beta_1 / (1.0 - self.beta_1))
        return c / maximum(norm(c), 1.0)
