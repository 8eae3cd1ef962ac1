"""Lion."""

from typing import Any

from keras_neural_opt._core.arguments import fraction
from keras_neural_opt._core.tensors import Scalar, Tensors, blend, descend, ema, sign
from keras_neural_opt.optimizers._base import RuleOptimizer
from keras_neural_opt.optimizers._registry import export


@export
class Lion(RuleOptimizer):
    r"""Lion, evolved sign momentum (Chen et al., 2023).

    Every coordinate moves by exactly the learning rate, in the direction of a mean of momentum and gradient. Half the
    state of `Adam`. Take a rate three to ten times smaller than that of `AdamW`, and a decay as many times larger;
    for large batches.

    .. math::
        \theta_t = \theta_{t-1} - \eta \operatorname{sign}(\beta_1 m_{t-1} + (1 - \beta_1) g_t), \qquad
        m_t = \beta_2 m_{t-1} + (1 - \beta_2) g_t

    Args:
        learning_rate: :math:`\eta`, a number >= 0, a schedule or a function without arguments. Defaults to 0.001.
        beta_1: Weight of the momentum in the step, in [0, 1). Defaults to 0.9. At 0 this is the sign of the gradient.
        beta_2: Decay of the momentum, in [0, 1). Defaults to 0.99.
        **kwargs: The arguments of `RuleOptimizer`.

    Raises:
        ValueError: An argument breaks its rule.

    Example:
        >>> import keras
        >>> import keras_neural_opt as kno
        >>> v = keras.Variable([1.0])
        >>> kno.optimizers.Lion(0.25).apply([keras.ops.ones(1)], [v])
        >>> float(v.numpy()[0])
        0.75

    Note:
        Same arguments, defaults and numerics as `keras.optimizers.Lion`, which refuses `beta_1=0`; as `optax.lion`.
        State: 4 bytes a float32 parameter. Sparse gradients are made dense.

    References:
        Chen, Liang, Huang, Real, Wang, Liu, Pham, Dong, Luong, Hsieh, Lu, Le, Symbolic Discovery of Optimization
        Algorithms, 2023, https://arxiv.org/abs/2302.06675
    """

    beta_1: float
    beta_2: float
    slots = ("momentum",)

    def __init__(self, learning_rate: Any = 0.001, beta_1: float = 0.9, beta_2: float = 0.99, **kwargs: Any) -> None:
        super().__init__(learning_rate, **kwargs)
        self.set_hyperparameters(beta_1=fraction(beta_1), beta_2=fraction(beta_2))

    def rule(self, p: Tensors, g: Tensors, lr: Scalar, t: Scalar, m: Tensors) -> Any:  # type: ignore[override]
        return descend(p, sign(blend(m, g, 1.0 - self.beta_1)), lr), ema(m, g, self.beta_2)
