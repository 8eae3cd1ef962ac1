"""Optimizers that are each wrong in one way, as people write them; the contracts must reject them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_neural_opt import optimizers
from keras_neural_opt.optimizers.rules import Scalar, Tensors, descend, ema, ema_of_square, root
from tests.contracts.running import BACKEND

registered = keras.saving.register_keras_serializable("known_wrong")
SGD, Adam, AdamW = optimizers.SGD, optimizers.Adam, optimizers.AdamW
Gradients = Sequence[Any]


@registered
class ForgetsBiasCorrection(Adam):
    def rule(self, p: Tensors, g: Tensors, lr: Scalar, t: Scalar, m: Tensors, v: Tensors) -> Any:
        m, v = ema(m, g, self.beta_1), ema_of_square(v, g, self.beta_2)
        return descend(p, m, lr, over=root(v, outside=self.epsilon)), m, v


class HasAnotherDefault(Adam):
    def __init__(self, learning_rate: Any = 0.001, beta_1: float = 0.9, beta_2: float = 0.99, **kwargs: Any) -> None:
        super().__init__(learning_rate, beta_1, beta_2, **kwargs)


class IsTraced(SGD):
    """Creates state in the step (a second trace on TensorFlow) and returns it in another dtype (on JAX)."""

    def apply(self, grads: Gradients, trainable_variables: Any = None) -> None:
        if BACKEND == "tensorflow" and not hasattr(self, "late"):
            self.late = self.add_variable((), name="late")
        super().apply(grads, trainable_variables)

    def stateless_apply(self, *args: Any) -> Any:
        variables, state = super().stateless_apply(*args)
        return variables, [ops.cast(x, "float32") for x in state]


class ChangesGradients(SGD):
    """A base of the next ones: `change` sees gradients and variables."""

    def apply(self, grads: Gradients, trainable_variables: Any = None) -> None:
        variables = self._trainable_variables if trainable_variables is None else trainable_variables
        super().apply(self.change(list(grads), list(variables)), variables)

    def change(self, grads: list[Any], variables: list[Any]) -> list[Any]:
        raise NotImplementedError


class DependsOnTheOrder(ChangesGradients):
    def change(self, grads: list[Any], variables: list[Any]) -> list[Any]:
        return [g * (1.0 + i) for i, g in enumerate(grads)]


class NormalizesEachVariable(ChangesGradients):
    def change(self, grads: list[Any], variables: list[Any]) -> list[Any]:
        return [g / ops.norm(g) for g in grads]


class DividesByZero(ChangesGradients):
    def change(self, grads: list[Any], variables: list[Any]) -> list[Any]:
        return [g / ops.absolute(g) * ops.absolute(g) for g in grads]


class IsTenPercentOff(ChangesGradients):
    def change(self, grads: list[Any], variables: list[Any]) -> list[Any]:
        return [g * 1.1 for g in grads]


class HardlyMoves(ChangesGradients):
    def change(self, grads: list[Any], variables: list[Any]) -> list[Any]:
        return [g * 0.001 for g in grads]


class ForgetsTheLastPart(ChangesGradients):
    def change(self, grads: list[Any], variables: list[Any]) -> list[Any]:
        parts = [(ops.arange(ops.size(g)) < 2**18, g) for g in grads]
        return [g * ops.reshape(ops.cast(kept, g.dtype), g.shape) for kept, g in parts]


class TakesTheSumOfAWindow(ChangesGradients):
    def change(self, grads: list[Any], variables: list[Any]) -> list[Any]:
        return [g * float(self.gradient_accumulation_steps) for g in grads]


class TakesNoneForZero(ChangesGradients):
    def change(self, grads: list[Any], variables: list[Any]) -> list[Any]:
        return [ops.zeros(v.shape) if g is None else g for g, v in zip(grads, variables, strict=True)]


class HidesNaN(ChangesGradients):
    def change(self, grads: list[Any], variables: list[Any]) -> list[Any]:
        return [ops.nan_to_num(g, posinf=0.0, neginf=0.0) for g in grads]


class HalvesSparseGradients(ChangesGradients):
    def change(self, grads: list[Any], variables: list[Any]) -> list[Any]:
        return [g if _is_dense(g) else 0.5 * _dense(g) for g in grads]


def _is_dense(gradient: Any) -> bool:
    return type(gradient).__name__ not in ("IndexedSlices", "BCOO")


def _dense(gradient: Any) -> Any:
    if BACKEND == "tensorflow":
        import tensorflow as tf

        return tf.convert_to_tensor(gradient)
    return gradient.todense()


class OverridesItsSubclasses(SGD):
    def __init_subclass__(cls) -> None:
        cls.rule = SGD.rule


class BroadcastsAndTruncates(SGD):
    def apply(self, grads: Gradients, trainable_variables: Any = None) -> None:
        pairs = list(zip(grads, trainable_variables, strict=False))
        super().apply([ops.zeros(v.shape) + ops.mean(g) for g, v in pairs], [v for _, v in pairs])


class MovesOtherVariables(SGD):
    def apply(self, grads: Gradients, trainable_variables: Any = None) -> None:
        super().apply(grads, trainable_variables)
        for variable in self._trainable_variables:
            if all(variable is not passed for passed in trainable_variables):
                variable.assign(ops.convert_to_tensor(variable) * 0.9)


class IgnoresMissingGradients(SGD):
    def apply(self, grads: Gradients, trainable_variables: Any = None) -> None:
        if any(g is not None for g in grads):
            super().apply(grads, trainable_variables)


class IgnoresConstraints(SGD):
    def apply(self, grads: Gradients, trainable_variables: Any = None) -> None:
        for variable in trainable_variables:
            variable.constraint = None
        super().apply(grads, trainable_variables)


class AveragesPerMicroStep(SGD):
    def apply(self, grads: Gradients, trainable_variables: Any = None) -> None:
        super().apply(grads, trainable_variables)
        for average, variable in zip(self._model_variables_moving_average, self._trainable_variables, strict=True):
            step = ops.convert_to_tensor(variable) - ops.convert_to_tensor(average)
            average.assign(ops.convert_to_tensor(average) + (1 - self.ema_momentum) * step)


class Shifted(keras.optimizers.schedules.LearningRateSchedule):
    def __init__(self, schedule: Any) -> None:
        self.schedule = schedule

    def __call__(self, step: Any) -> Any:
        return self.schedule(step + 1)


class ReadsTheNextStep(SGD):
    def __init__(self, learning_rate: Any = 0.01, **kwargs: Any) -> None:
        super().__init__(Shifted(learning_rate), **kwargs)


class KeepsItsFirstMomentum(SGD):
    @contextmanager
    def at_this_step(self) -> Iterator[None]:
        schedules = self.scheduled()
        vars(self).update({name: schedule(0) for name, schedule in schedules.items()})
        yield
        vars(self).update(schedules)


class CallsTheRateOnce(SGD):
    def __init__(self, learning_rate: Any = 0.01, **kwargs: Any) -> None:
        super().__init__(learning_rate(), **kwargs)


class KeepsItsRate(SGD):
    @property
    def learning_rate(self) -> Any:
        return super().learning_rate

    @learning_rate.setter
    def learning_rate(self, value: Any) -> None:
        pass


def ignoring(name: str, *arguments: str, **instead: Any) -> type:
    """Return an SGD that does not pass some arguments of the base on, or passes something instead."""

    class Ignoring(SGD):
        def __init__(self, learning_rate: Any = 0.01, **kwargs: Any) -> None:
            kept = {key: value for key, value in kwargs.items() if key not in arguments}
            super().__init__(learning_rate, **{**kept, **{k: v for k, v in instead.items() if k in kept}})

    Ignoring.__name__ = Ignoring.__qualname__ = name
    return registered(Ignoring)


class SwallowsErrors(SGD):
    def __init__(self, **kwargs: Any) -> None:
        try:
            super().__init__(**kwargs)
        except ValueError:
            super().__init__()


class RefusesIntegers(SGD):
    def __init__(self, learning_rate: Any = 0.01, **kwargs: Any) -> None:
        if not isinstance(learning_rate, float):
            raise ValueError("the learning rate must be a float")
        super().__init__(learning_rate, **kwargs)


@registered
class LosesAKey(SGD):
    def get_config(self) -> dict[str, Any]:
        return {key: value for key, value in super().get_config().items() if key != "momentum"}


@registered
class LosesItsMask(SGD):
    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "weight_decay_mask": None}


class HasAnUndeclaredKey(SGD):
    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "extra": 1}


@registered
class ExcludesNothing(SGD):
    def exclude_from_weight_decay(self, var_list: Any = None, var_names: Any = None) -> None:
        pass


class StartsAtOne(Adam):
    @property
    def slots(self) -> Any:
        return (optimizers.Slot("momentum", initializer="ones"), "velocity")


@registered
class DropsItsState(SGD):
    def load_own_variables(self, store: Any) -> None:
        pass


@registered
class DropsStateWhenUnbuilt(SGD):
    def load_own_variables(self, store: Any) -> None:
        if self.built:
            super().load_own_variables(store)


class TakesAnyState(SGD):
    def load_own_variables(self, store: Any) -> None:
        values = [np.array(store[key]) for key in store]
        for variable, value in zip(self.variables, values, strict=False):
            if tuple(variable.shape) == value.shape:
                variable.assign(value)


class HasNoDocumentation(SGD):
    """An optimizer."""
