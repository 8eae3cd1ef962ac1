"""The squared norm of weights in any structure."""

from typing import Any

import keras
import numpy as np
from keras import ops


def l2_norm_squared(weights: Any) -> Any:
    """Return the sum of the squares of all elements.

    NumPy arrays give a NumPy number: a tensor beside them would take the rest of a user's NumPy loss out of NumPy.
    """
    arrays = keras.tree.flatten(weights)
    if any(ops.is_tensor(array) or isinstance(array, keras.Variable) for array in arrays):
        return sum(ops.sum(ops.square(array)) for array in arrays)
    return sum(np.sum(np.square(array)) for array in arrays)
