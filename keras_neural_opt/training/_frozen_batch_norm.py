"""Batch norms whose statistics stand still while everything else is trained."""

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np


def batch_norms(model: keras.Model) -> Iterator[Any]:
    """Yield the batch norms of a model, also of models and layers inside it."""
    for layer in model._flatten_layers(include_self=False):
        if isinstance(layer, keras.layers.BatchNormalization):
            yield layer


class FrozenCall:
    """The `call` of a batch norm that normalizes by its moving statistics, whatever `training` says.

    Not `layer.trainable = False`: that takes scale and offset out of the variables which the optimizer was built for,
    and is saved with the model.

    Args:
        layer: The batch norm, which this freezes.
        hold: Whether its scale and offset stand still, too, whatever the optimizer does: momentum and weight decay
            move a variable also where its gradient is zero.
    """

    def __init__(self, layer: Any, hold: bool) -> None:
        self._layer, self._call, self.holds = layer, layer.call, hold
        held = [v for v in (layer.gamma, layer.beta) if v is not None] if hold else []
        self._constraints = [(variable, variable.constraint) for variable in held]
        for variable in held:
            variable.constraint = _Hold(variable.numpy())
        layer.call = self

    def __call__(self, inputs: Any, training: Any = None, mask: Any = None) -> Any:
        """Return the normalized inputs."""
        return self._call(inputs, training=False, mask=mask)

    def thaw(self) -> None:
        """Give the layer back its own call, and the constraints of its variables."""
        self._layer.call = self._call
        for variable, constraint in self._constraints:
            variable.constraint = constraint


class _Hold:
    """A constraint that a variable be what it was."""

    def __init__(self, value: Any) -> None:
        self._value = np.array(value)

    def __call__(self, variable: Any) -> Any:
        return keras.ops.convert_to_tensor(self._value, dtype=variable.dtype)


def is_frozen(layer: Any, held: bool = False) -> bool:
    """Return whether the statistics of a batch norm, or also its scale and offset, stand still in training."""
    call = layer.call
    return not layer.trainable or (isinstance(call, FrozenCall) and (call.holds or not held))
