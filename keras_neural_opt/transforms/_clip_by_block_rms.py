"""Clipping by the root mean square of each variable's gradient."""

import math

from keras_neural_opt._core.arguments import positive
from keras_neural_opt._core.norms import tensor_norms
from keras_neural_opt._core.registry import export
from keras_neural_opt._core.tensors import Tensors, multiply_each
from keras_neural_opt.transforms._clip import shrink
from keras_neural_opt.transforms._transform import GradientContext, GradientTransform


@export
class ClipByBlockRMS(GradientTransform):
    r"""Scales each variable's gradient down to a maximum root mean square (Shazeer and Stern, 2018).

    As `ClipByNorm`, but the limit is that of a typical element, and so means the same for a large and a small variable.

    .. math:: g \leftarrow g \, \frac{c}{\max(\mathrm{RMS}(g), c)}, \qquad
              \mathrm{RMS}(g) = \sqrt{\tfrac{1}{n} \textstyle\sum_i g_i^2}

    Args:
        threshold: The largest root mean square :math:`c > 0` that is left alone. Defaults to 1.

    Raises:
        ValueError: `threshold` is not a number above 0.

    Example:
        >>> import keras_neural_opt as kno
        >>> optimizer = kno.optimizers.Adam(gradient_transforms=[kno.transforms.ClipByBlockRMS(1.0)])

    Note:
        `optax.clip_by_block_rms` does the same. Adafactor clips its own updates so; this clips gradients. No state.

    References:
        Shazeer, Stern, Adafactor: Adaptive Learning Rates with Sublinear Memory Cost, 2018,
        https://arxiv.org/abs/1804.04235
    """

    threshold: float

    def __init__(self, threshold: float = 1.0) -> None:
        self.set_hyperparameters(threshold=positive(threshold))

    def __call__(self, gradients: Tensors, context: GradientContext) -> Tensors:
        """Return the clipped gradients."""
        norms, tensors = tensor_norms(gradients), gradients.tensors
        sizes = [math.sqrt(max(1, math.prod(x.shape))) for x in tensors]
        factors = [shrink(norms[i] / size, self.threshold) for i, size in enumerate(sizes)]
        return multiply_each(gradients, factors)
