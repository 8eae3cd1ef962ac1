"""Gradients whose mean over each unit's inputs is zero."""

from collections.abc import Sequence
from typing import Any

from keras_neural_opt._core import masks
from keras_neural_opt._core.registry import export
from keras_neural_opt._core.tensors import Tensors
from keras_neural_opt._core.units import centred_units
from keras_neural_opt.transforms._transform import GradientContext, GradientTransform


@export
class GradientCentralization(GradientTransform):
    r"""Takes from each unit's gradient its mean over the inputs (Yong et al., 2020).

    Keeps the mean of a unit's weights where it began, which regularizes and smooths the loss a little, for images more
    than elsewhere. It costs one pass over the gradients.

    .. math:: g_{i,o} \leftarrow g_{i,o} - \tfrac{1}{n} \sum_{j=1}^{n} g_{j,o}

    where :math:`o` is the last axis of a variable and :math:`i` runs over all others. Vectors and scalars, such as
    biases, and units of one input, of which nothing would be left, are left alone.

    Args:
        mask: Which of the variables with two axes and more: None (all), or as an optimizer's `weight_decay_mask`.

    Raises:
        ValueError: `mask` is no mask.

    Example:
        >>> import keras_neural_opt as kno
        >>> optimizer = kno.optimizers.SGD(0.1, gradient_transforms=[kno.transforms.GradientCentralization()])

    Note:
        The last axis is the output of Keras' `Dense` and `Conv` kernels; `optax.centralize` takes the first and torch's
        implementations do, too, which is right for torch's kernels. Leave out by the mask what is made otherwise:
        embeddings, which would be centred over the vocabulary, transposed and depthwise convolutions. No state.

    References:
        Yong, Huang, Hua, Zhang, Gradient Centralization: A New Optimization Technique for Deep Neural Networks, 2020,
        https://arxiv.org/abs/2004.01461
    """

    mask: masks.Mask

    def __init__(self, mask: masks.Mask = None) -> None:
        self.set_hyperparameters(mask=masks.mask(mask))

    def build(self, optimizer: Any, variables: Sequence[Any]) -> None:
        """Choose the variables, once."""
        self._chosen = {id(v) for v in variables if masks.selects(self.mask, v)}

    def __call__(self, gradients: Tensors, context: GradientContext) -> Tensors:
        """Return the centred gradients."""
        pairs = zip(gradients.tensors, context.variables, strict=True)
        return gradients.new(centred_units(g) if id(v) in self._chosen else g for g, v in pairs)
