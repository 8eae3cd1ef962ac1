"""What the benchmark of an embedding's update needs of TensorFlow."""

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf


def compiled(step: Callable[..., Any]) -> Callable[..., Any]:
    """Return `step` as a graph that is traced once."""
    return tf.function(step)


def row_gradient(values: Any, indices: Any, shape: Sequence[int]) -> Any:
    """Return the gradient of a lookup of the rows `indices` in a table of `shape`."""
    return tf.IndexedSlices(tf.constant(values), tf.constant(indices), tf.constant(shape))


def wait(variable: Any) -> None:
    """Return when the variable's value has been computed; reads one row, since a whole read copies after a scatter."""
    tf.gather(variable.value, [0]).numpy()
