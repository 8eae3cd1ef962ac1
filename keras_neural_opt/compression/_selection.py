"""Where the largest elements of a vector are."""

import math
from typing import Any

from keras import ops

from keras_neural_opt._core.backend import native

# A hundredth of the elements tells the threshold, or more of them: so many elements, of which so many are above it.
_PART, _LEAST, _LEAST_ABOVE = 100, 1 << 17, 1000
_ROW = 64


def exact(x: Any, count: int) -> Any:
    """Return the places of the elements with the largest absolute values.

    Args:
        x: A vector.
        count: How many.
    """
    return ops.cast(ops.top_k(ops.absolute(x), count, sorted=False)[1], "int32")


def sampled(x: Any, count: int) -> Any:
    """Return places of about the largest elements: of those above a threshold that a sample tells.

    Args:
        x: A vector.
        count: How many places to return. Where fewer elements are above the threshold, the rest are the length of the
            vector, which is no place.
    """
    sizes = ops.absolute(x)
    # Zeros, which may be most of a vector, are not worth a place.
    return first_places(ops.logical_and(sizes >= threshold(sizes, count), sizes > 0), count)


def threshold(sizes: Any, count: int) -> Any:
    """Return what fewer than `count` elements exceed, by a tenth at most, as every hundredth element tells, or more.

    Args:
        sizes: A vector of absolute values.
        count: How many of its elements shall be above, at most.
    """
    length = sizes.shape[0]
    stride = max(1, min(_PART, length // _LEAST, count // _LEAST_ABOVE))
    sample = sizes[::stride]
    expected = count * sample.shape[0] / length
    # So many fewer that, three standard deviations off, all fit: what does not is at the vector's end, always the same
    # layers.
    above = max(1, math.floor(expected - 3 * math.sqrt(expected))) if stride > 1 else count
    return ops.min(ops.top_k(sample, above)[0])


def first_places(chosen: Any, count: int) -> Any:
    """Return the places of the first `count` true elements, in order, and then the length of the vector.

    Args:
        chosen: A vector of booleans.
        count: How many places to return.
    """
    places = native.true_places(chosen, count)
    return _by_rows(chosen, count) if places is None else places


def _by_rows(chosen: Any, count: int) -> Any:
    """Return the same without a tensor whose size is only known in the step.

    First of all it is counted how many there are in each row of a few dozen elements. A place in the result then
    belongs to a row, in which it is looked for.
    """
    length = chosen.shape[0]
    rows = ops.cast(ops.reshape(ops.pad(chosen, (0, -length % _ROW)), (-1, _ROW)), "int32")
    ends = ops.cumsum(ops.sum(rows, axis=1))
    wanted = ops.arange(count, dtype="int32")
    row = ops.minimum(ops.cast(ops.searchsorted(ends, wanted, side="right"), "int32"), rows.shape[0] - 1)
    inside = ops.take(rows, row, axis=0)
    before = ops.take(ends, row) - ops.sum(inside, axis=1)
    place = row * _ROW + ops.cast(ops.argmax(ops.cumsum(inside, axis=1) > (wanted - before)[:, None], axis=1), "int32")
    return ops.where(wanted < ends[-1], place, length)
