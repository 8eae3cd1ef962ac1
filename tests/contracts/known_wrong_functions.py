"""Gradient transforms and schedules that are each wrong in one way; the contracts must reject them."""

import math
from typing import Any

import keras
from keras import ops

from keras_neural_opt._core.tensors import Tensors, scale
from keras_neural_opt.schedules import CosineAnnealing
from keras_neural_opt.transforms import ClipByGlobalNorm, ClipByNorm, ClipByValue, GradientContext

registered = keras.saving.register_keras_serializable("known_wrong")


class TakesEachNorm(ClipByGlobalNorm):
    def __call__(self, gradients: Tensors, context: GradientContext) -> Tensors:
        return ClipByNorm(self.clipnorm)(gradients, context)


class WorksInPlace(ClipByValue):
    def __call__(self, gradients: Tensors, context: GradientContext) -> Tensors:
        return scale(gradients, 0.5)


class WidensToFloat32(ClipByValue):
    def __call__(self, gradients: Tensors, context: GradientContext) -> Tensors:
        wide = super().__call__(gradients, context)
        return wide.new([ops.cast(x, "float32") for x in wide.tensors])


class Overflows(ClipByNorm):
    def __call__(self, gradients: Tensors, context: GradientContext) -> Tensors:
        norms = [ops.sqrt(ops.sum(x * x)) for x in gradients.tensors]
        pairs = zip(gradients.tensors, norms, strict=True)
        return gradients.new([x * self.clipnorm / ops.maximum(norm, self.clipnorm) for x, norm in pairs])


@registered
class LosesItsLimit(ClipByValue):
    def get_config(self) -> dict[str, Any]:
        return {"clipvalue": 1.0}


class TakesAnyLimit(ClipByValue):
    def __init__(self, clipvalue: Any) -> None:
        self.clipvalue = clipvalue


class ClipsWithoutDocumentation(ClipByValue):
    """A transform."""


class ReadsTheNextStep(CosineAnnealing):
    def __call__(self, step: Any) -> Any:
        return super().__call__(step + 1)


class ComputesInFloat32(CosineAnnealing):
    def __call__(self, step: Any) -> Any:
        if isinstance(step, int):
            return super().__call__(step)
        t = ops.minimum(ops.cast(step, "float32") + self.start_step, self.decay_steps)
        span = self.initial_learning_rate - self.minimum_learning_rate
        return self.minimum_learning_rate + span * (1 + ops.cos(math.pi * t / self.decay_steps)) / 2


@registered
class LosesItsMinimum(CosineAnnealing):
    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "minimum_learning_rate": 0.0}


@registered
class KeepsItsEpochs(CosineAnnealing):
    def in_steps(self, steps_per_epoch: float) -> Any:
        return type(self)(**{**self.hyperparameters(), "unit": "auto", "decay_steps": 7, "start_step": 0})


class TakesAnySteps(CosineAnnealing):
    def __init__(self, **options: Any) -> None:
        try:
            super().__init__(**options)
        except ValueError:
            super().__init__(0.1, 10)


class AnnealsWithoutDocumentation(CosineAnnealing):
    """A schedule."""
