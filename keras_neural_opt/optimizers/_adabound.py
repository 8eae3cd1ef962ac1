"""AdaBound and AMSBound."""

from typing import Any

from keras_neural_opt._core.arguments import flag, fraction, is_number, nonnegative, positive
from keras_neural_opt._core.tensors import (
    Scalar,
    Tensors,
    bias_correction,
    clip,
    descend,
    ema,
    ema_of_square,
    root,
    running_maximum,
)
from keras_neural_opt.optimizers._base import RuleOptimizer
from keras_neural_opt.optimizers._checks import LearningRateSchedule
from keras_neural_opt.optimizers._registry import export


@export
class AdaBound(RuleOptimizer):
    r"""AdaBound and AMSBound (Luo et al., 2019).

    Adam whose per-element rates are kept between two bounds that close in on a final rate: it starts as Adam and ends
    as SGD with momentum. For image models that Adam fits quickly but SGD generalizes better on.

    .. math::
        \eta_t &= \operatorname{clip}\!\left(
        \eta \frac{\sqrt{1 - \beta_2^t}}{1 - \beta_1^t} \frac{1}{\sqrt{v_t} + \epsilon},\;
        \eta^* \Bigl(1 - \tfrac{1}{\gamma t + 1}\Bigr),\; \eta^* \Bigl(1 + \tfrac{1}{\gamma t}\Bigr)\right) \\
        \theta_t &= \theta_{t-1} - \eta_t m_t, \qquad \eta^* = \eta_{\text{final}}\, \eta / \eta_{\text{base}}

    Args:
        learning_rate: :math:`\eta`, a number >= 0, a schedule or a function without arguments. Defaults to 0.001.
        beta_1: Decay of the mean, in [0, 1). Defaults to 0.9.
        beta_2: Decay of the mean square, in [0, 1). Defaults to 0.999.
        final_learning_rate: :math:`\eta_{\text{final}} > 0`, the rate of SGD that it ends with. Defaults to 0.1.
        gamma: Speed of the closing in, > 0: about 1/gamma steps. Defaults to 0.001.
        epsilon: :math:`\epsilon \ge 0`, added to the root before the bias correction. Defaults to 1e-8.
        amsbound: Whether :math:`v_t` is replaced by its maximum so far. Defaults to False.
        base_learning_rate: :math:`\eta_{\text{base}} > 0`, the rate that `final_learning_rate` belongs to; a change of
            :math:`\eta` changes the bounds in proportion. Defaults to `learning_rate`, or a schedule's initial rate.
        **kwargs: The arguments of `RuleOptimizer`.

    Raises:
        ValueError: An argument breaks its rule, or no base rate above 0 can be found.

    Example:
        >>> import keras_neural_opt as kno
        >>> optimizer = kno.optimizers.AdaBound(1e-3, final_learning_rate=0.1)

    Note:
        As the authors' code, whose `final_lr` and `eps` are our `final_learning_rate` and `epsilon`; their weight
        decay is L2 (`weight_decay_mode="l2"`). State: 8 bytes a float32 parameter, 12 with `amsbound`. Sparse
        gradients are made dense.

    References:
        Luo, Xiong, Liu, Sun, Adaptive Gradient Methods with Dynamic Bound of Learning Rate, 2019,
        https://arxiv.org/abs/1902.09843
    """

    beta_1: float
    beta_2: float
    final_learning_rate: float
    gamma: float
    epsilon: float
    amsbound: bool
    base_learning_rate: float

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        final_learning_rate: float = 0.1,
        gamma: float = 1e-3,
        epsilon: float = 1e-8,
        amsbound: bool = False,
        base_learning_rate: float | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate, **kwargs)
        if base_learning_rate is None:
            base_learning_rate = _base(learning_rate)
            if not base_learning_rate:
                raise ValueError(
                    f"{type(self).__name__}.base_learning_rate must be a number > 0 where learning_rate"
                    f" ({learning_rate!r}) does not start with one; received None"
                )
        self.set_hyperparameters(
            beta_1=fraction(beta_1),
            beta_2=fraction(beta_2),
            final_learning_rate=positive(final_learning_rate),
            gamma=positive(gamma),
            epsilon=nonnegative(epsilon),
            amsbound=flag(amsbound),
            base_learning_rate=positive(base_learning_rate),
        )

    @property
    def slots(self) -> tuple[str, ...]:  # type: ignore[override]
        return ("momentum", "velocity", "velocity_hat") if self.amsbound else ("momentum", "velocity")

    def rule(self, p: Tensors, g: Tensors, lr: Scalar, t: Scalar, m: Tensors, v: Tensors, *v_hat: Tensors) -> Any:  # type: ignore[override]
        m, v = ema(m, g, self.beta_1), ema_of_square(v, g, self.beta_2)
        v_hat = tuple(running_maximum(largest, v) for largest in v_hat)
        step = lr * root(bias_correction(self.beta_2, t)) / bias_correction(self.beta_1, t)
        final = lr * (self.final_learning_rate / self.base_learning_rate)
        low, high = final * (1 - 1 / (self.gamma * t + 1)), final * (1 + 1 / (self.gamma * t))
        rate = clip(step / root((v, *v_hat)[-1], outside=self.epsilon), low, high)
        return descend(p, m, rate), m, v, *v_hat


def _base(learning_rate: Any) -> Any:
    if isinstance(learning_rate, LearningRateSchedule):
        # A schedule that starts in the middle of its curve still names the top of it.
        return float(getattr(learning_rate, "initial_learning_rate", None) or learning_rate(0))
    return learning_rate if is_number(learning_rate) else None
