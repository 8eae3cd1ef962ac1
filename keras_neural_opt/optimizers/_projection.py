"""The projection of AdamP and SGDP: no step along a weight whose length does not matter."""

import math
from collections.abc import Sequence
from typing import Any

from keras_neural_opt._core.backend import native
from keras_neural_opt._core.tensors import Tensors


def project(step: Tensors, p: Tensors, g: Tensors, delta: float, epsilon: float) -> tuple[Tensors, list[Any]]:
    r"""Take the part along the variable out of the steps of scale-invariant variables.

    A variable before a normalization may be multiplied by any number without a change of the loss, so its gradient is
    orthogonal to it. Where the cosine between the two is smaller than :math:`\delta / \sqrt{n}` in every output
    channel (the last axis), or in the whole variable, the step becomes
    :math:`u - \theta\, (\theta \cdot u) / (\lVert \theta \rVert + \epsilon)^2`, by channel or by variable.

    Args:
        step: The steps. Vectors and scalars keep theirs.
        p: The variables.
        g: Their gradients.
        delta: How small a cosine must be.
        epsilon: Added to norms.

    Returns:
        The new steps, and for each variable 1 if its step was projected, else 0.
    """
    found = [_projected(u, x, y, delta, epsilon) for u, x, y in zip(step.tensors, p.tensors, g.tensors, strict=True)]
    return step.new(u for u, _ in found), [projected for _, projected in found]


def shrink(p: Tensors, decay: Tensors, amount: Any, projected: Sequence[Any], ratio: float) -> Tensors:
    """Return `p - amount * decay * p`, with an amount `ratio` as large where a step was projected."""
    amounts = [d * (1.0 + (ratio - 1.0) * x) * amount for d, x in zip(decay.tensors, projected, strict=True)]
    return p.new(x - x * native.cast(a, x.dtype) for x, a in zip(p.tensors, amounts, strict=True))


def _projected(u: Any, p: Any, g: Any, delta: float, epsilon: float) -> tuple[Any, Any]:
    rank = len(p.shape)
    if rank < 2:
        return u, 0.0
    pp, gg, gp, pu = (native.sum_over(x, range(rank - 1)) for x in (p * p, g * g, g * p, p * u))
    by_channel, along_channel = _invariant(pp, gg, gp, math.prod(p.shape[:-1]), delta, epsilon), _along(pp, pu, epsilon)
    pp, gg, gp, pu = (native.sum_over(x, [rank - 1]) for x in (pp, gg, gp, pu))
    whole, along = _invariant(pp, gg, gp, math.prod(p.shape), delta, epsilon), _along(pp, pu, epsilon)
    along = native.where(by_channel, along_channel, native.where(whole, along, native.zeros_like(along)))
    return u - p * along, native.cast(by_channel | whole, p.dtype)


def _invariant(pp: Any, gg: Any, gp: Any, size: int, delta: float, epsilon: float) -> Any:
    lengths = native.maximum(native.sqrt(pp), epsilon) * native.maximum(native.sqrt(gg), epsilon)
    return native.largest([gp / lengths])[0] < delta / math.sqrt(max(size, 1))


def _along(pp: Any, pu: Any, epsilon: float) -> Any:
    length = native.sqrt(pp) + epsilon
    return pu / (length * length)
