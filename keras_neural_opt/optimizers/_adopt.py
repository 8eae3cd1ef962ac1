"""ADOPT."""

from typing import Any

from keras_neural_opt._core.arguments import flag, fraction, positive
from keras_neural_opt._core.scalars import maximum as larger
from keras_neural_opt._core.tensors import (
    Scalar,
    Tensors,
    clip,
    descend,
    ema,
    lerp,
    root,
    running_maximum,
    select,
    square,
)
from keras_neural_opt.optimizers._base import RuleOptimizer
from keras_neural_opt.optimizers._registry import export


@export
class ADOPT(RuleOptimizer):
    r"""ADOPT (Taniguchi et al., 2024).

    Adam in another order: a gradient is divided by the root of the mean square of those before it, and averaged then.
    It converges for every :math:`\beta_2`, where `Adam` may not. A drop-in for `Adam` where gradients are noisy.

    .. math::
        m_t &= \beta_1 m_{t-1} + (1 - \beta_1)\,
        \operatorname{clip}\!\left(\frac{g_t}{\max(\sqrt{v_{t-1}}, \epsilon)},\; (t - 1)^{1/4}\right) \\
        \theta_t &= \theta_{t-1} - \eta\, m_t, \qquad
        v_t = \beta_2 v_{t-1} + (1 - \beta_2) g_t^2, \qquad v_1 = g_1^2

    Args:
        learning_rate: :math:`\eta`, a number >= 0, a schedule or a function without arguments. Defaults to 0.001.
        beta_1: Decay of the mean, in [0, 1). Defaults to 0.9.
        beta_2: Decay of the mean square, in [0, 1). Defaults to 0.9999.
        epsilon: :math:`\epsilon > 0`, the least root. Defaults to 1e-6.
        use_clipping: Whether the normalized gradient is clipped, more loosely from step to step. Defaults to True.
        **kwargs: The arguments of `RuleOptimizer`.

    Raises:
        ValueError: An argument breaks its rule.

    Example:
        >>> import keras_neural_opt as kno
        >>> optimizer = kno.optimizers.ADOPT(1e-3)

    Note:
        As the authors' code and `optax.contrib.adopt`: the first step only sets :math:`v_1`; weight decay shrinks the
        variables in it, too. State: 8 bytes a float32 parameter. Sparse gradients are made dense.

    References:
        Taniguchi, Harada, Minegishi, Oshima, Jeong, Nagahara, Iiyama, Suzuki, Iwasawa, Matsuo, ADOPT: Modified Adam
        Can Converge with Any beta2 with the Optimal Rate, 2024, https://arxiv.org/abs/2411.02853
    """

    beta_1: float
    beta_2: float
    epsilon: float
    use_clipping: bool
    slots = ("momentum", "velocity")

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.9999,
        epsilon: float = 1e-6,
        use_clipping: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate, **kwargs)
        self.set_hyperparameters(
            beta_1=fraction(beta_1),
            beta_2=fraction(beta_2),
            epsilon=positive(epsilon),
            use_clipping=flag(use_clipping),
        )

    def rule(self, p: Tensors, g: Tensors, lr: Scalar, t: Scalar, m: Tensors, v: Tensors) -> Any:  # type: ignore[override]
        first = t < 1.5
        normalized = g / running_maximum(root(v), self.epsilon)
        # With a bound of 0 the first step leaves the momentum at 0, and so the variables where they are.
        bound = larger(t - 1.0, 0.0) ** 0.25 if self.use_clipping else select(first, 0.0, _UNBOUNDED)
        m = ema(m, clip(normalized, -bound, bound), self.beta_1)
        return descend(p, m, lr), m, lerp(v, square(g), select(first, 1.0, 1.0 - self.beta_2))


_UNBOUNDED = 3e38
