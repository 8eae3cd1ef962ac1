"""Integer variables that count steps."""

from functools import cache
from typing import Any

import keras
import numpy as np

from keras_neural_opt._core.backend import native


def new_counter(optimizer: Any, name: str) -> Any:
    """Return a new variable of `optimizer` that is 0.

    Args:
        optimizer: Whose state it is.
        name: What it counts.
    """
    with native.on_host():
        return optimizer.add_variable((), dtype="int", name=name, aggregation="only_first_replica")


def count(variable: Any) -> None:
    """Add 1 to an integer variable."""
    # A counter that overflows turns negative, and bias corrections with it; one that stops only stops counting.
    value = native.minimum(native.read(variable), _largest(variable.dtype) - 1) + 1
    native.write([variable], [value])


@cache
def _largest(dtype: str) -> int:
    return int(np.iinfo(keras.backend.standardize_dtype(dtype)).max)
