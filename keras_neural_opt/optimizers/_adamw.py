"""Adam with decoupled weight decay."""

from typing import Any

from keras_neural_opt._core.arguments import check_arguments, nonnegative
from keras_neural_opt.optimizers._adam import Adam
from keras_neural_opt.optimizers._checks import LearningRateSchedule
from keras_neural_opt.optimizers._registry import export


@export
class AdamW(Adam):
    r"""Adam with decoupled weight decay (Loshchilov and Hutter, 2019).

    The default for transformers. The decay does not pass through the adaptive scaling, so it shrinks every weight at
    the same relative rate. Combine it with `weight_decay_mask="no_norm_no_bias"`.

    .. math::
        \theta_t = (1 - \eta \lambda)\,\theta_{t-1}
        - \eta \frac{\sqrt{1 - \beta_2^t}}{1 - \beta_1^t} \frac{m_t}{\sqrt{v_t} + \epsilon}

    Args:
        learning_rate: :math:`\eta`, a number >= 0, a schedule or a function without arguments. Defaults to 0.001.
        weight_decay: :math:`\lambda \ge 0`, a number or a schedule. Defaults to 0.004.
        beta_1: Decay of the mean, in [0, 1). Defaults to 0.9.
        beta_2: Decay of the mean square, in [0, 1). Defaults to 0.999.
        epsilon: :math:`\epsilon \ge 0`, added to the root before the bias correction. Defaults to 1e-7.
        amsgrad: Whether :math:`v_t` is replaced by its maximum so far. Defaults to False.
        **kwargs: The arguments of `RuleOptimizer`.

    Raises:
        ValueError: An argument breaks its rule.

    Example:
        >>> import keras_neural_opt as kno
        >>> optimizer = kno.optimizers.AdamW(3e-4, weight_decay=0.1, weight_decay_mask="no_norm_no_bias")

    Note:
        Same arguments, defaults and numerics as `keras.optimizers.AdamW`, except that masks name path patterns and are
        saved. As in torch and optax the decay is multiplied by the current learning rate; their default coefficients
        are 0.01 and 0.0001. State: 8 bytes a float32 parameter, 12 with `amsgrad`. Sparse gradients are made dense.

    References:
        Loshchilov, Hutter, Decoupled Weight Decay Regularization, 2019, https://arxiv.org/abs/1711.05101
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        weight_decay: Any = 0.004,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        **kwargs: Any,
    ) -> None:
        if not isinstance(weight_decay, LearningRateSchedule):
            check_arguments(type(self).__name__, weight_decay=nonnegative(weight_decay))
        super().__init__(learning_rate, beta_1, beta_2, epsilon, amsgrad, weight_decay=weight_decay, **kwargs)
