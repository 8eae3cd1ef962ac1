"""LAMB."""

from typing import Any

from keras_neural_opt._core import masks
from keras_neural_opt._core.arguments import flag, fraction, nonnegative
from keras_neural_opt._core.norms import tensor_norms
from keras_neural_opt._core.tensors import (
    Scalar,
    Tensors,
    add_scaled,
    bias_correction,
    descend,
    ema,
    ema_of_square,
    root,
)
from keras_neural_opt.optimizers._base import RuleOptimizer
from keras_neural_opt.optimizers._registry import export
from keras_neural_opt.optimizers._trust_ratio import each, trust_ratios


@export
class LAMB(RuleOptimizer):
    r"""LAMB, layer-wise adaptive moments (You et al., 2020).

    Adam in which every variable moves by the learning rate times its own norm. For transformers with batches of
    thousands: BERT trains with 32 thousand sequences a batch. For convolutional nets `LARS` is as good and smaller.

    .. math::
        m_t &= \beta_1 m_{t-1} + (1 - \beta_1) g_t, \qquad v_t = \beta_2 v_{t-1} + (1 - \beta_2) g_t^2 \\
        u_t &= \frac{m_t / (1 - \beta_1^t)}{\sqrt{v_t / (1 - \beta_2^t)} + \epsilon} + w\, \theta_{t-1}, \qquad
        \theta_t = \theta_{t-1} - \eta\, \frac{\lVert \theta_{t-1} \rVert}{\lVert u_t \rVert}\, u_t

    Args:
        learning_rate: :math:`\eta`, a number >= 0, a schedule or a function without arguments. Defaults to 0.001.
        beta_1: Decay of the mean, in [0, 1). Defaults to 0.9.
        beta_2: Decay of the mean square, in [0, 1). Defaults to 0.999.
        epsilon: :math:`\epsilon \ge 0`, added to the corrected root. Defaults to 1e-6.
        decay_in_trust_ratio: Whether weight decay :math:`w` is a part of :math:`u_t`, as in the paper. If not, it
            shrinks the variables by :math:`\eta w` first, as in Keras. Defaults to True.
        trust_ratio_mask: Which variables are scaled by their norm, in the forms of `weight_decay_mask`; BERT's authors
            leave out `"no_norm_no_bias"`. Defaults to None: all.
        **kwargs: The arguments of `RuleOptimizer`.

    Raises:
        ValueError: An argument breaks its rule.

    Example:
        >>> import keras_neural_opt as kno
        >>> optimizer = kno.optimizers.LAMB(2e-3, weight_decay=0.01, weight_decay_mask="no_norm_no_bias")

    Note:
        As `optax.lamb`. `keras.optimizers.Lamb` is this with `decay_in_trust_ratio=False` and `epsilon=1e-7`. Where a
        norm is 0 the ratio is 1. State: 8 bytes a float32 parameter. Sparse gradients are made dense.

    References:
        You, Li, Reddi, Hseu, Kumar, Bhojanapalli, Song, Demmel, Keutzer, Hsieh, Large Batch Optimization for Deep
        Learning: Training BERT in 76 Minutes, 2020, https://arxiv.org/abs/1904.00962
    """

    beta_1: float
    beta_2: float
    epsilon: float
    decay_in_trust_ratio: bool
    trust_ratio_mask: masks.Mask
    slots = ("momentum", "velocity")
    elementwise = False

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-6,
        decay_in_trust_ratio: bool = True,
        trust_ratio_mask: masks.Mask = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate, **kwargs)
        self.set_hyperparameters(
            beta_1=fraction(beta_1),
            beta_2=fraction(beta_2),
            epsilon=nonnegative(epsilon),
            decay_in_trust_ratio=flag(decay_in_trust_ratio),
            trust_ratio_mask=masks.mask(trust_ratio_mask),
        )

    @property
    def decay_in_rule(self) -> bool:  # type: ignore[override]
        return self.decay_in_trust_ratio

    def marks(self, variable: Any) -> dict[str, Any]:
        return {"adapted": masks.selects(self.trust_ratio_mask, variable)}

    def rule(  # type: ignore[override]
        self,
        p: Tensors,
        g: Tensors,
        lr: Scalar,
        t: Scalar,
        m: Tensors,
        v: Tensors,
        *,
        adapted: list[bool],
        decay: Tensors | None = None,
    ) -> Any:
        m, v = ema(m, g, self.beta_1), ema_of_square(v, g, self.beta_2)
        correction = root(bias_correction(self.beta_2, t))
        # The step is `unit * step`: a pass over the memory less.
        unit, step = correction / bias_correction(self.beta_1, t), m / root(v, outside=self.epsilon * correction)
        if decay is not None and self.weight_decay:
            step = add_scaled(step, p * decay, 1.0 / unit)
        trust = trust_ratios(tensor_norms(p), tensor_norms(step) * unit, adapted)
        return descend(p, step, each(p, trust * (unit * lr))), m, v
