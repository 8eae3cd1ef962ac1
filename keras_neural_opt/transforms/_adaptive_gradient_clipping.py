"""Clipping of each unit's gradient by the unit's own size."""

from collections.abc import Sequence
from typing import Any

from keras_neural_opt._core import masks
from keras_neural_opt._core.arguments import positive
from keras_neural_opt._core.backend import native
from keras_neural_opt._core.registry import export
from keras_neural_opt._core.tensors import Tensors, maximum, multiply_each, on_marked
from keras_neural_opt._core.units import norms_of_units
from keras_neural_opt.transforms._transform import GradientContext, GradientTransform


@export
class AdaptiveGradientClipping(GradientTransform):
    r"""Scales each unit's gradient down to a part of the unit's weights (Brock et al., 2021).

    What a step does to a unit depends on how large it is against the unit, and so does the limit. Made for networks
    without batch norm and for large batches, where one limit for all gradients is hard to find.

    .. math:: g_o \leftarrow g_o \, \frac{c_o}{\max(\lVert g_o \rVert_2, c_o)}, \qquad
              c_o = \lambda \max(\lVert \theta_o \rVert_2, \epsilon)

    where :math:`o` is an index of a variable's last axis, which is the output of the kernels of `Dense` and `Conv`;
    what has only one axis longer than 1 is one unit.

    Args:
        clipping: The part :math:`\lambda > 0`. Defaults to 0.01; larger batches want less.
        epsilon: The norm :math:`\epsilon > 0` of a unit that is 0 or near it, so that it can grow. Defaults to 1e-3.
        mask: Which variables: None (all), or as an optimizer's `weight_decay_mask`. The paper leaves out the last
            layer.

    Raises:
        ValueError: An argument breaks its rule.

    Example:
        >>> import keras_neural_opt as kno
        >>> clipping = kno.transforms.AdaptiveGradientClipping(0.01, mask=["!classifier"])
        >>> optimizer = kno.optimizers.SGD(0.1, momentum=0.9, gradient_transforms=[clipping])

    Note:
        As `optax.adaptive_grad_clip`, but for kernels of three axes, of which optax keeps the middle one, too.
        Embeddings have a unit a column, as there; transposed and depthwise convolutions keep their outputs elsewhere,
        and all heads of an attention are one unit: leave them out by the mask. No state.

    References:
        Brock, De, Smith, Simonyan, High-Performance Large-Scale Image Recognition Without Normalization, 2021,
        https://arxiv.org/abs/2102.06171
    """

    clipping: float
    epsilon: float
    mask: masks.Mask

    def __init__(self, clipping: float = 0.01, epsilon: float = 1e-3, mask: masks.Mask = None) -> None:
        self.set_hyperparameters(clipping=positive(clipping), epsilon=positive(epsilon), mask=masks.mask(mask))

    def build(self, optimizer: Any, variables: Sequence[Any]) -> None:
        """Choose the variables, once."""
        self._chosen = {id(v) for v in variables if masks.selects(self.mask, v)}

    def __call__(self, gradients: Tensors, context: GradientContext) -> Tensors:
        """Return the clipped gradients."""
        chosen = [id(v) in self._chosen for v in context.variables]
        return on_marked(chosen, self._clipped, gradients, gradients.new(native.read_all(context.variables)))

    def _clipped(self, gradients: Tensors, weights: Tensors) -> Tensors:
        # Of a unit of weights below epsilon, or of gradients below any limit, it does not matter how small it is.
        least = min(self.epsilon, self.clipping * self.epsilon)
        norms = norms_of_units(weights.new([*weights.tensors, *gradients.tensors]), least)
        count = len(weights.tensors)
        limits = maximum(norms.new(norms.tensors[:count]), self.epsilon) * self.clipping
        factors = limits / maximum(norms.new(norms.tensors[count:]), limits)
        return multiply_each(gradients, factors.tensors)
