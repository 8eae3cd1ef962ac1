"""Adam and AMSGrad."""

from functools import partial
from typing import Any

from keras_neural_opt._core.arguments import flag, fraction, nonnegative
from keras_neural_opt._core.tensors import (
    Scalar,
    Tensors,
    bias_correction,
    descend,
    ema,
    ema_of_square,
    root,
    running_maximum,
)
from keras_neural_opt.optimizers._base import RuleOptimizer
from keras_neural_opt.optimizers._registry import export


@export
class Adam(RuleOptimizer):
    r"""Adam (Kingma and Ba, 2015), with AMSGrad (Reddi et al., 2018) as an option.

    Steps of about the learning rate in every coordinate, whatever the gradients' scale. The first method to try; where
    weight decay matters take `AdamW`, where the first steps are unstable `RAdam` or a warm-up.

    .. math::
        m_t &= \beta_1 m_{t-1} + (1 - \beta_1) g_t, \qquad
        v_t = \beta_2 v_{t-1} + (1 - \beta_2) g_t^2 \\
        \theta_t &= \theta_{t-1} - \eta \frac{\sqrt{1 - \beta_2^t}}{1 - \beta_1^t} \frac{m_t}{\sqrt{v_t} + \epsilon}

    Args:
        learning_rate: :math:`\eta`, a number >= 0, a schedule or a function without arguments. Defaults to 0.001.
        beta_1: Decay of the mean, in [0, 1). Defaults to 0.9.
        beta_2: Decay of the mean square, in [0, 1). Defaults to 0.999.
        epsilon: :math:`\epsilon \ge 0`, added to the root before the bias correction. Defaults to 1e-7.
        amsgrad: Whether :math:`v_t` is replaced by its maximum so far. Defaults to False.
        **kwargs: The arguments of `RuleOptimizer`.

    Raises:
        ValueError: An argument breaks its rule.

    Example:
        >>> import keras
        >>> import keras_neural_opt as kno
        >>> v = keras.Variable([1.0])
        >>> kno.optimizers.Adam(0.1).apply([keras.ops.ones(1)], [v])
        >>> round(float(v.numpy()[0]), 4)
        0.9

    Note:
        Same arguments, defaults and numerics as `keras.optimizers.Adam`. torch and optax add :math:`\epsilon` to the
        corrected root: multiply theirs by :math:`\sqrt{1 - \beta_2^t}` to get ours. Their `weight_decay` in Adam is
        L2; here it is decoupled unless `weight_decay_mode="l2"`. State: 8 bytes a float32 parameter, 12 with
        `amsgrad`. Sparse gradients are made dense.

    References:
        Kingma, Ba, Adam: A Method for Stochastic Optimization, 2015, https://arxiv.org/abs/1412.6980;
        Reddi, Kale, Kumar, On the Convergence of Adam and Beyond, 2018, https://arxiv.org/abs/1904.09237
    """

    beta_1: float
    beta_2: float
    epsilon: float
    amsgrad: bool

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate, **kwargs)
        self.set_hyperparameters(
            beta_1=fraction(beta_1),
            beta_2=fraction(beta_2),
            epsilon=nonnegative(epsilon),
            amsgrad=flag(amsgrad),
        )

    @property
    def slots(self) -> tuple[str, ...]:  # type: ignore[override]
        return ("momentum", "velocity", "velocity_hat") if self.amsgrad else ("momentum", "velocity")

    def rule(self, p: Tensors, g: Tensors, lr: Scalar, t: Scalar, m: Tensors, v: Tensors, *v_hat: Tensors) -> Any:  # type: ignore[override]
        m, v = ema(m, g, self.beta_1), ema_of_square(v, g, self.beta_2)
        v_hat = tuple(running_maximum(largest, v) for largest in v_hat)
        step = lr * root(bias_correction(self.beta_2, t)) / bias_correction(self.beta_1, t)
        return descend(p, m, step, over=root((v, *v_hat)[-1], outside=self.epsilon)), m, v, *v_hat

    def fused(self, kernels: Any) -> Any:
        l2 = self.weight_decay_mode == "l2"
        return partial(kernels.adam, l2=l2, beta_1=self.beta_1, beta_2=self.beta_2, epsilon=self.epsilon)
