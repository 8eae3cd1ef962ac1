"""Clipping by what past norms were."""

from collections.abc import Sequence
from typing import Any

from keras import ops

from keras_neural_opt._core.arguments import integer, percentage
from keras_neural_opt._core.backend import native
from keras_neural_opt._core.registry import export
from keras_neural_opt._core.tensors import Tensors
from keras_neural_opt.transforms._transform import GradientContext, GradientTransform

_TINY = 1e-30


@export
class AutoClip(GradientTransform):
    r"""Scales all gradients down to a percentile of their past norms (Seetharaman et al., 2020).

    A limit that finds itself: where `ClipByGlobalNorm` wants a number that depends on network, loss and time, this
    wants the part of the steps that are left alone.

    .. math:: g \leftarrow g \, \frac{c_t}{\max(\lVert g \rVert_2, c_t)}, \qquad
              c_t = \text{the } p \text{-th percentile of } \lVert g_1 \rVert_2, \dots, \lVert g_t \rVert_2

    Args:
        percentile: :math:`p` in (0, 100]. Defaults to 10: nine steps in ten are clipped.
        window: How many norms are remembered, the last ones, >= 1. Defaults to 1000.

    Raises:
        ValueError: An argument breaks its rule.

    Example:
        >>> import keras_neural_opt as kno
        >>> optimizer = kno.optimizers.Adam(gradient_transforms=[kno.transforms.AutoClip(10)])

    Note:
        The paper remembers all norms. Percentiles between two norms are interpolated, as by `numpy.percentile`. A norm
        that is not finite is not remembered, and its gradients stay as they are: add `nonfinite="skip"` to the
        optimizer. State: 4 bytes a norm, saved with the optimizer.

    References:
        Seetharaman, Wichern, Pardo, Le Roux, AutoClip: Adaptive Gradient Clipping for Source Separation Networks, 2020,
        https://arxiv.org/abs/2007.14469
    """

    percentile: float
    window: int

    def __init__(self, percentile: float = 10.0, window: int = 1000) -> None:
        self.set_hyperparameters(percentile=percentage(percentile), window=integer(window, 1))
        self._norms: Any = None
        self._count: Any = None

    def build(self, optimizer: Any, variables: Sequence[Any]) -> None:
        """Make the memory of norms."""
        self._norms = optimizer.add_variable((self.window,), dtype="float32", name="past_norms")
        self._count = optimizer.add_variable((), dtype="int", name="past_norms_count")

    def __call__(self, gradients: Tensors, context: GradientContext) -> Tensors:
        """Return the clipped gradients, and remember their norm."""
        norm = ops.cast(context.norm(gradients), "float32")
        limit = self._limit(norm)
        # Not their quotient at once: both may be 0.
        return gradients.scaled_by(ops.where(norm > limit, limit / ops.maximum(norm, _TINY), 1.0))

    def _limit(self, norm: Any) -> Any:
        norms, count = native.read(self._norms), native.read(self._count)
        place = ops.arange(self.window, dtype=count.dtype)
        finite = ops.isfinite(norm)
        norms = ops.where(ops.logical_and(place == count % self.window, finite), norm, norms)
        count = count + ops.cast(finite, count.dtype)
        native.write([self._norms, self._count], [norms, count])
        known = ops.minimum(count, self.window)
        ordered = ops.sort(ops.where(place < known, norms, float("inf")))
        return _at(ordered, self.percentile / 100.0 * ops.cast(known - 1, "float32"))


def _at(ordered: Any, place: Any) -> Any:
    """Return the value at a place between two numbers, or infinity where there is none."""
    low = ops.floor(place)
    below, above = (ops.take(ordered, ops.cast(ops.maximum(x, 0.0), "int32")) for x in (low, ops.ceil(place)))
    return ops.where(place < 0.0, below, below + (above - below) * (place - low))
