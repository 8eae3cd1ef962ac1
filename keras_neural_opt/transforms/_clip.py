"""Clipping by value, by each variable's norm and by the global norm."""

from typing import Any

from keras_neural_opt._core.arguments import positive
from keras_neural_opt._core.backend import native
from keras_neural_opt._core.norms import tensor_norms
from keras_neural_opt._core.registry import export
from keras_neural_opt._core.tensors import Tensors, multiply_each
from keras_neural_opt.transforms._transform import GradientContext, GradientTransform


@export
class ClipByValue(GradientTransform):
    r"""Clips each gradient element to an interval (Mikolov, 2012).

    The simplest guard against a few huge elements. It changes the gradient's direction; prefer `ClipByGlobalNorm`
    unless single elements are known to be at fault.

    .. math:: g_i \leftarrow \min(\max(g_i, -c), c)

    Args:
        clipvalue: The bound :math:`c > 0`, in units of the gradient.

    Raises:
        ValueError: `clipvalue` is not a number above 0.

    Example:
        >>> import keras_neural_opt as kno
        >>> optimizer = kno.optimizers.SGD(0.1, gradient_transforms=[kno.transforms.ClipByValue(0.5)])

    Note:
        `torch.nn.utils.clip_grad_value_` and `optax.clip` do the same. No state. NaN stays NaN.

    References:
        Mikolov, Statistical Language Models Based on Neural Networks, 2012,
        https://www.fit.vut.cz/study/phd-thesis/283/
    """

    def __init__(self, clipvalue: float) -> None:
        self.set_hyperparameters(clipvalue=positive(clipvalue))

    def __call__(self, gradients: Tensors, context: GradientContext) -> Tensors:
        """Return the clipped gradients."""
        return gradients.clipped_to(-self.clipvalue, self.clipvalue)

    clipvalue: float


@export
class ClipByNorm(GradientTransform):
    r"""Scales each variable's gradient down to a maximum 2-norm (Pascanu et al., 2013, per variable).

    Bounds every variable on its own, so that one exploding layer does not slow the others. The direction within a
    variable is kept, the direction of the whole step is not.

    .. math:: g \leftarrow g \, \frac{c}{\max(\lVert g \rVert_2, c)}

    Args:
        clipnorm: The largest norm :math:`c > 0` that is left alone.

    Raises:
        ValueError: `clipnorm` is not a number above 0.

    Example:
        >>> import keras_neural_opt as kno
        >>> optimizer = kno.optimizers.Adam(gradient_transforms=[kno.transforms.ClipByNorm(1.0)])

    Note:
        The norm does not overflow as long as it is itself a float; Keras' does from about 1e19. As
        `optax.clip_by_block_rms` up to the norm, as Keras' `clipnorm` otherwise. No state.

    References:
        Pascanu, Mikolov, Bengio, On the difficulty of training recurrent neural networks, 2013,
        https://arxiv.org/abs/1211.5063
    """

    def __init__(self, clipnorm: float) -> None:
        self.set_hyperparameters(clipnorm=positive(clipnorm))

    def __call__(self, gradients: Tensors, context: GradientContext) -> Tensors:
        """Return the clipped gradients."""
        factors = shrink(tensor_norms(gradients), self.clipnorm)
        return multiply_each(gradients, [factors[i] for i in range(len(gradients.tensors))])

    clipnorm: float


@export
class ClipByGlobalNorm(GradientTransform):
    r"""Scales all gradients together down to a maximum 2-norm (Pascanu et al., 2013).

    The usual guard against exploding gradients in recurrent nets and transformers: the direction of the step is kept,
    only its length is bounded.

    .. math:: g \leftarrow g \, \frac{c}{\max(\lVert g \rVert_2, c)}, \qquad
              \lVert g \rVert_2 = \sqrt{\textstyle\sum_k \lVert g_k \rVert_2^2}

    Args:
        clipnorm: The largest global norm :math:`c > 0` that is left alone.

    Raises:
        ValueError: `clipnorm` is not a number above 0.

    Example:
        >>> import keras_neural_opt as kno
        >>> optimizer = kno.optimizers.Adam(gradient_transforms=[kno.transforms.ClipByGlobalNorm(1.0)])

    Note:
        `torch.nn.utils.clip_grad_norm_` adds 1e-6 to the norm; this and `optax.clip_by_global_norm` do not. The norm
        is computed once a step and shared with `nonfinite="skip"`; it overflows only where it is no float itself. A NaN
        in one gradient makes the norm, and so every gradient, NaN: add `nonfinite="skip"` to the optimizer. No state.

    References:
        Pascanu, Mikolov, Bengio, On the difficulty of training recurrent neural networks, 2013,
        https://arxiv.org/abs/1211.5063
    """

    def __init__(self, clipnorm: float) -> None:
        self.set_hyperparameters(clipnorm=positive(clipnorm))

    def __call__(self, gradients: Tensors, context: GradientContext) -> Tensors:
        """Return the clipped gradients."""
        return gradients.scaled_by(shrink(context.norm(gradients), self.clipnorm))

    clipnorm: float


def shrink(norm: Any, limit: Any) -> Any:
    """Return what a gradient of that norm is multiplied by, to have at most the norm `limit`."""
    return limit / native.maximum(norm, limit)
