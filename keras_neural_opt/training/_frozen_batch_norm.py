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
        self._layer, self.inner, self.holds = layer, layer.call, hold
        self._held = [(v, _Hold(v)) for v in (layer.gamma, layer.beta) if v is not None] if hold else []
        for variable, held in self._held:
            variable.constraint = held
        layer.call = self

    def __call__(self, inputs: Any, training: Any = None, mask: Any = None) -> Any:
        """Return the normalized inputs."""
        return self.inner(inputs, training=False, mask=mask)

    def thaw(self) -> None:
        """Give the layer back the call that it had, and the constraints of its variables."""
        outer = next((each for each in frozen_calls(self._layer) if each.inner is self), None)
        if outer is None:
            self._layer.call = self.inner
        else:  # It was frozen once more since, and stays so.
            outer.inner = self.inner
        for variable, held in self._held:
            variable.constraint = held.before

    def hold_anew(self) -> bool:
        """Hold scale and offset at what they are now; return whether that is something else than before."""
        old = [held.value for _, held in self._held]
        for variable, held in self._held:
            held.value = np.array(variable.numpy())
        return any(not np.array_equal(x, held.value) for x, (_, held) in zip(old, self._held, strict=True))


class _Hold:
    """A constraint that a variable be what it was."""

    def __init__(self, variable: Any) -> None:
        self.before, self.value = variable.constraint, np.array(variable.numpy())

    def __call__(self, variable: Any) -> Any:
        return keras.ops.convert_to_tensor(self.value, dtype=variable.dtype)


def frozen_calls(layer: Any) -> Iterator[FrozenCall]:
    """Yield what freezes a batch norm, from the outermost: two callbacks may do so."""
    call = layer.call
    while isinstance(call, FrozenCall):
        yield call
        call = call.inner


def is_frozen(layer: Any, held: bool = False) -> bool:
    """Return whether the statistics of a batch norm, or also its scale and offset, stand still in training."""
    return not layer.trainable or any(call.holds or not held for call in frozen_calls(layer))
