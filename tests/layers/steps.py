"""One call of a layer with its losses and gradients: eagerly, as a graph, compiled."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from tests.contracts.running import BACKEND, WAYS

__all__ = ["WAYS", "Step", "WithDraw", "step"]


class WithDraw(keras.layers.Layer):
    """A layer beside a generator of the same seed: its outputs, and the random numbers that they came from."""

    def __init__(self, layer: Any, draw: Callable[..., Any], shape: tuple[int, ...]) -> None:
        super().__init__(dtype=layer.dtype_policy)
        self.layer, self.draw, self.shape = layer, draw, shape
        self.generator = keras.random.SeedGenerator(layer.seed)

    def build(self, input_shape: Any) -> None:
        if not self.layer.built:
            self.layer.build(input_shape)

    def call(self, inputs: Any, training: bool = False) -> Any:
        return self.layer(inputs, training=training), self.draw(self.shape, dtype="float32", seed=self.generator)


@dataclass
class Step:
    """What a call gave: outputs, the sum of the layer's losses, and gradients by the name of the weight."""

    outputs: list[np.ndarray]
    losses: float
    gradients: dict[str, np.ndarray]


def step(layer: Any, x: np.ndarray, cotangent: Any = 0.0, way: str = "eager", training: bool = True) -> Step:
    """Call a layer; the gradients are those of `sum(cotangent * outputs)`, of its first outputs, and its losses."""
    if not layer.built:
        layer.build(x.shape)

    def objective(outputs: Any, losses: Any) -> tuple[Any, Any]:
        losses = ops.sum(ops.stack(losses)) if losses else ops.zeros(())
        weights = ops.convert_to_tensor(cotangent, "float32")
        return ops.sum(ops.cast(outputs[0], "float32") * weights) + losses, losses

    calls = {"jax": _jax, "tensorflow": _tensorflow, "torch": _torch}[BACKEND]
    outputs, losses, gradients = calls(layer, ops.convert_to_tensor(x), objective, way, training)
    names = [variable.path.rsplit("/", 1)[-1] for variable in layer.trainable_variables]
    found = zip(names, gradients, strict=True)
    return Step(
        [ops.convert_to_numpy(ops.cast(each, "float32")) for each in outputs],
        float(ops.convert_to_numpy(losses)),
        {name: ops.convert_to_numpy(gradient) for name, gradient in found if gradient is not None},
    )


def _listed(outputs: Any) -> list[Any]:
    return list(outputs) if isinstance(outputs, (list, tuple)) else [outputs]


def _jax(layer: Any, x: Any, objective: Any, way: str, training: bool) -> Any:
    import jax

    def pure(trainable: Any, others: Any, x: Any) -> Any:
        outputs, others, losses = layer.stateless_call(trainable, others, x, training=training, return_losses=True)
        total, losses = objective(_listed(outputs), losses)
        return total, (_listed(outputs), losses, others)

    differentiated = jax.value_and_grad(pure, has_aux=True)
    if way == "jit":
        differentiated = jax.jit(differentiated)
    trainable, others = ([v.value for v in vs] for vs in (layer.trainable_variables, layer.non_trainable_variables))
    (_, (outputs, losses, others)), gradients = differentiated(trainable, others, x)
    for variable, value in zip(layer.non_trainable_variables, others, strict=True):
        variable.assign(value)
    return outputs, losses, gradients


def _tensorflow(layer: Any, x: Any, objective: Any, way: str, training: bool) -> Any:
    import tensorflow as tf

    def function(x: Any) -> Any:
        with tf.GradientTape() as tape:
            outputs = _listed(layer(x, training=training))
            total, losses = objective(outputs, layer.losses)
        return outputs, losses, tape.gradient(total, [v.value for v in layer.trainable_variables])

    if way != "eager":
        function = tf.function(function, jit_compile=way == "jit")
    return function(x)


def _torch(layer: Any, x: Any, objective: Any, way: str, training: bool) -> Any:
    import torch

    outputs = _listed(layer(x, training=training))
    total, losses = objective(outputs, layer.losses)
    values = [v.value for v in layer.trainable_variables]
    return outputs, losses, torch.autograd.grad(total, values, allow_unused=True)
