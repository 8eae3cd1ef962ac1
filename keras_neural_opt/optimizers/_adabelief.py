"""AdaBelief."""

from typing import Any

from keras_neural_opt._core.arguments import fraction, nonnegative
from keras_neural_opt._core.tensors import (
    Scalar,
    Tensors,
    bias_correction,
    descend,
    ema,
    ema_of_square,
    root,
    shift,
)
from keras_neural_opt.optimizers._base import RuleOptimizer
from keras_neural_opt.optimizers._registry import export


@export
class AdaBelief(RuleOptimizer):
    r"""AdaBelief (Zhuang et al., 2020).

    Adam that divides by how far the gradients are from their mean instead of by how large they are: long steps where
    they agree, short ones where they do not. Generalizes better than `Adam` on image classification, where it comes
    close to `SGD`; sensitive to :math:`\epsilon`.

    .. math::
        m_t &= \beta_1 m_{t-1} + (1 - \beta_1) g_t, \qquad
        s_t = \beta_2 s_{t-1} + (1 - \beta_2) (g_t - m_t)^2 + \epsilon \\
        \theta_t &= \theta_{t-1}
        - \frac{\eta}{1 - \beta_1^t} \frac{m_t}{\sqrt{s_t / (1 - \beta_2^t)} + \epsilon}

    Args:
        learning_rate: :math:`\eta`, a number >= 0, a schedule or a function without arguments. Defaults to 0.001.
        beta_1: Decay of the mean, in [0, 1). Defaults to 0.9.
        beta_2: Decay of the mean square deviation, in [0, 1). Defaults to 0.999.
        epsilon: :math:`\epsilon \ge 0`, added inside and outside of the root. Defaults to 1e-16.
        **kwargs: The arguments of `RuleOptimizer`.

    Raises:
        ValueError: An argument breaks its rule.

    Example:
        >>> import keras_neural_opt as kno
        >>> optimizer = kno.optimizers.AdaBelief(1e-3)

    Note:
        As `optax.adabelief` with `eps` and `eps_root` both :math:`\epsilon`, and as the authors' package with
        `rectify=False`. They recommend 1e-8 for image classification and 1e-16 for the rest. State: 8 bytes a float32
        parameter. Sparse gradients are made dense.

    References:
        Zhuang, Tang, Ding, Tatikonda, Dvornek, Papademetris, Duncan, AdaBelief Optimizer: Adapting Stepsizes by the
        Belief in Observed Gradients, 2020, https://arxiv.org/abs/2010.07468
    """

    beta_1: float
    beta_2: float
    epsilon: float
    slots = ("momentum", "belief")

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-16,
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate, **kwargs)
        self.set_hyperparameters(beta_1=fraction(beta_1), beta_2=fraction(beta_2), epsilon=nonnegative(epsilon))

    def rule(self, p: Tensors, g: Tensors, lr: Scalar, t: Scalar, m: Tensors, s: Tensors) -> Any:  # type: ignore[override]
        m = ema(m, g, self.beta_1)
        s = shift(ema_of_square(s, g - m, self.beta_2), self.epsilon)
        correction = root(bias_correction(self.beta_2, t))
        step = lr * correction / bias_correction(self.beta_1, t)
        return descend(p, m, step, over=root(s, outside=self.epsilon * correction)), m, s
