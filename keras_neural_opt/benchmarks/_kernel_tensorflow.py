"""A function of tensors on TensorFlow, as it runs inside of a step's graph."""

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf


def compiled(function: Callable[..., Any], inputs: Sequence[Any]) -> Callable[[], Any]:
    """Return what runs the function as a graph and waits for its results."""
    # Named arguments would be traced as tensors; autograph has nothing to convert.
    made = tf.function(function, autograph=False)
    signature = made.get_concrete_function(*[tf.TensorSpec(x.shape, x.dtype) for x in inputs])

    def run() -> Any:
        results = signature(*inputs)
        for result in tf.nest.flatten(results):
            # One element, so that nothing is copied.
            tf.reshape(result, (-1,))[:1].numpy()
        return results

    return run
