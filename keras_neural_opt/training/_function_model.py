"""A loss function and weights as a Keras model, so that `fit` trains them."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops
from keras.src.losses.loss import scale_loss_for_distribution


class FunctionModel(keras.Model):
    """Wraps `loss_function(weights, batch)` and, where the user has one, its gradient.

    Args:
        loss_function: Returns the mean loss of a batch as a scalar.
        gradient_function: Returns the loss' gradient in the structure of the weights, or None: the backend
            differentiates the loss.
        initial_weights: An array, or lists, tuples and dictionaries of arrays.
        on_numpy: Whether the functions get NumPy arrays (the model must then run eagerly), not the backend's tensors.
    """

    def __init__(
        self,
        loss_function: Callable[[Any, Any], Any],
        gradient_function: Callable[[Any, Any], Any] | None,
        initial_weights: Any,
        on_numpy: bool,
    ) -> None:
        super().__init__(autocast=False)
        self.loss_function, self.gradient_function, self.on_numpy = loss_function, gradient_function, on_numpy
        # Keras wraps lists and dictionaries that become attributes, but not what a function remembers.
        self.pack = lambda flat: keras.tree.pack_sequence_as(initial_weights, flat)
        for i, array in enumerate(keras.tree.flatten(initial_weights)):
            self.add_weight(np.shape(array), name=f"weight_{i}").assign(array)
        self.built = True

    def call(self, x: Any) -> Any:
        """Return one of the inputs: the loss is computed from the batch alone."""
        return keras.tree.flatten(x)[0]

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Any:
        """Return the user's loss of the batch that Keras took apart into `x`, `y` and `sample_weight`."""
        parts = tuple(part for part in (x, y, sample_weight) if part is not None)
        batch = parts if len(parts) > 1 else x
        # Tensors, not variables: TensorFlow's custom_gradient refuses variables, and users may call the backend itself.
        weights = [ops.copy(w) for w in self.trainable_variables]
        if self.gradient_function is None:
            loss = _checked_loss(self.loss_function(self.pack(weights), batch), weights[0].dtype)
        else:
            loss = ops.custom_gradient(lambda *flat: self._loss_and_pullback(flat, batch, training))(*weights)
        # Each replica of a strategy gives its part of the mean, as Keras' own losses do.
        return scale_loss_for_distribution(loss)

    def _loss_and_pullback(self, flat: Any, batch: Any, training: bool) -> tuple[Any, Callable[..., Any]]:
        dtypes = [w.dtype for w in flat]
        weights = self.pack(flat)
        if self.on_numpy:
            weights, batch = keras.tree.map_structure(ops.convert_to_numpy, (weights, batch))
        loss = ops.convert_to_tensor(self.loss_function(weights, batch), dtypes[0])
        _check_scalar(loss)
        gradients: list[Any] = []
        if training:
            gradients = _checked_gradients(self.gradient_function(weights, batch), weights, dtypes)  # type: ignore[misc]

        # JAX and TensorFlow call it with the upstream gradient alone, torch with the weights before it.
        def pullback(*arguments: Any, upstream: Any = None) -> tuple[Any, ...]:
            factor = arguments[0] if upstream is None else upstream
            return tuple(factor * gradient for gradient in gradients)

        return loss, pullback


def _checked_loss(loss: Any, dtype: Any) -> Any:
    if not ops.is_tensor(loss):
        raise ValueError(
            "loss_function must return a tensor that the backend can differentiate; received"
            f" {type(loss).__name__}. Compute it with keras.ops, or pass a gradient_function"
        )
    _check_scalar(loss)
    return ops.cast(loss, dtype)


def _check_scalar(loss: Any) -> None:
    if tuple(loss.shape) != ():
        raise ValueError(
            f"loss_function must return a scalar, the mean over the batch; received shape {tuple(loss.shape)}"
        )


def _checked_gradients(gradients: Any, weights: Any, dtypes: list[Any]) -> list[Any]:
    try:
        keras.tree.assert_same_structure(weights, gradients)
    except (TypeError, ValueError) as error:
        raise ValueError(
            "gradient_function must return a gradient for each weight, in the structure of the weights"
        ) from error
    flat = keras.tree.flatten(gradients)
    for i, (gradient, weight) in enumerate(zip(flat, keras.tree.flatten(weights), strict=True)):
        if tuple(np.shape(gradient)) != tuple(weight.shape):
            raise ValueError(
                f"gradient_function must return gradients of the weights' shapes; received {tuple(np.shape(gradient))}"
                f" for weight {i} of shape {tuple(weight.shape)}"
            )
    return [ops.convert_to_tensor(gradient, dtype) for gradient, dtype in zip(flat, dtypes, strict=True)]
