"""Which of several optimizers moves a variable, and how far."""

from typing import Any

import keras

from keras_neural_opt.optimizers._layerwise_learning_rate import LayerwiseLearningRate


def stepping(optimizer: Any, variable: Any) -> tuple[Any, float]:
    """Return the innermost optimizer that moves a variable, and what its steps are multiplied by on the way.

    Args:
        optimizer: An optimizer, a wrapper or Keras' `MultiOptimizer`, also one that is not built.
        variable: A trainable variable.
    """
    multiplier = 1.0
    while True:
        if isinstance(optimizer, LayerwiseLearningRate):
            multiplier *= optimizer.multiplier(variable)
        inner = getattr(optimizer, "inner_optimizer", None)
        if inner is None and isinstance(optimizer, keras.optimizers.MultiOptimizer):
            inner = optimizer._optimizer_map(variable)
        if inner is None:
            return optimizer, multiplier
        optimizer = inner
