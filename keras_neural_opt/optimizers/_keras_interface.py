"""The side of an optimizer that Keras and its users call: settings, clipping arguments, files, the end of `fit`."""

import re
from collections.abc import Sequence
from typing import Any, Self

import keras
import numpy as np

from keras_neural_opt._core import masks
from keras_neural_opt._core.backend import native
from keras_neural_opt._core.tensors import Tensors
from keras_neural_opt.optimizers._checks import LearningRateSchedule, check_learning_rate, check_model
from keras_neural_opt.optimizers._gradient_watch import GradientWatch
from keras_neural_opt.optimizers._learning_rate import LearningRate
from keras_neural_opt.optimizers._scheduled import ScheduledHyperparameters
from keras_neural_opt.optimizers._state import NamedState
from keras_neural_opt.transforms import (
    ClipByGlobalNorm,
    ClipByNorm,
    ClipByValue,
    GradientContext,
    GradientTransform,
)


class KerasInterface(NamedState, ScheduledHyperparameters, LearningRate, keras.optimizers.Optimizer):
    """What `RuleOptimizer` overrides of Keras' optimizer besides the step itself."""

    gradient_transforms: tuple[GradientTransform, ...]
    weight_decay_mask: masks.Mask
    weight_decay_mode: str
    nonfinite: str
    compile_update: bool

    def exclude_from_weight_decay(self, var_list: Any = None, var_names: Any = None) -> None:
        """Leave variables out of weight decay; must be called before the optimizer is built.

        Args:
            var_list: Variables to leave out.
            var_names: Regular expressions, or one; variables whose path contains a match are left out.

        Raises:
            ValueError: The optimizer is built, or `weight_decay_mask` is a preset or a function.
        """
        names = [var_names] if isinstance(var_names, str) else list(var_names or [])
        patterns = names + [f"^{re.escape(masks.path_of(v))}$" for v in var_list or []]
        mask = masks.leave_out(type(self).__name__, self.weight_decay_mask, patterns)
        mask = masks.mask(mask).check(type(self).__name__, "weight_decay_mask")
        # Each replica of a distribution strategy makes the same call, and the first of them builds the optimizer.
        if self.built and (mask or []) != (self.weight_decay_mask or []):
            raise ValueError(
                f"{type(self).__name__}.exclude_from_weight_decay must be called before the optimizer is built"
            )
        self.weight_decay_mask = mask

    def watch_gradients(self) -> GradientWatch:
        """Return what tells a monitor the norms of gradients; the first call is followed by a new compiled step."""
        if self._plan.watch is None:
            watch = GradientWatch()
            if self.built:
                watch.build(self, self._trainable_variables)
            self._plan.watch = watch
        watched: GradientWatch = self._plan.watch
        return watched

    @property
    def _clipping(self) -> tuple[GradientTransform, ...]:
        if self.clipnorm:
            return (ClipByNorm(self.clipnorm),)
        if self.global_clipnorm:
            return (ClipByGlobalNorm(self.global_clipnorm),)
        return (ClipByValue(self.clipvalue),) if self.clipvalue else ()

    def _clip_gradients(self, grads: Sequence[Any]) -> list[Any]:
        gradients = Tensors(keras.ops.convert_to_tensor(g) for g in grads)
        for transform in self._clipping:
            gradients = transform(gradients, GradientContext(()))
        return gradients.tensors

    def _overwrite_model_variables_with_average_value(self, trainable_variables: Sequence[Any]) -> None:
        index = [self._get_variable_index(v) for v in trainable_variables]
        pairs = [(v, self._model_variables_moving_average[i]) for v, i in zip(trainable_variables, index, strict=True)]
        known = [(v, a) for v, a in pairs if a is not None]
        native.overwrite(self, [v for v, _ in known], [a for _, a in known])

    def finalize_variable_values(self, var_list: Sequence[Any]) -> None:
        """Replace the variables by their moving average, if there is one; Keras calls it when `fit` ends.

        Args:
            var_list: The model's trainable variables.

        Raises:
            FloatingPointError: A compiled step met a non-finite gradient, with `nonfinite="raise"`, or more bad ones
                in a row than a transform allows.
            ValueError: The optimizer was built for another model.
        """
        if not self.built or not all(native.has_value(v) for v in self.variables):
            return  # A step failed and took the values with it: that error is the one to show.
        check_model(self, var_list)
        for transform in dict.fromkeys([*self._plan.judges, *self.gradient_transforms]):
            transform.finish(self)
        if int(native.read(self.iterations)):  # Without a step there is no average yet, only its zeros.
            super().finalize_variable_values(var_list)

    @property
    def learning_rate(self) -> Any:
        """The current learning rate; may be set to a number, a schedule or a function."""
        return self._get_current_learning_rate()

    @learning_rate.setter
    def learning_rate(self, value: Any) -> None:
        if value is None or isinstance(value, (str, int, float, np.generic)):
            value = check_learning_rate(type(self).__name__, value)
        before = self._learning_rate
        keras.optimizers.Optimizer.learning_rate.fset(self, value)
        if self._learning_rate is not before:
            self.forget_plateau(before)

    def _get_current_learning_rate(self) -> Any:
        if isinstance(self._learning_rate, LearningRateSchedule):
            return self._learning_rate(self.iterations)
        return super()._get_current_learning_rate()

    def get_config(self) -> dict[str, Any]:
        """Return the constructor arguments, JSON-ready."""
        serialize = keras.saving.serialize_keras_object
        config = super().get_config()
        if isinstance(self.weight_decay, LearningRateSchedule):
            config["weight_decay"] = serialize(self.weight_decay)
        options = {"weight_decay_mask": self.weight_decay_mask, **self.hyperparameters()}
        for name, value in options.items():
            if isinstance(value, LearningRateSchedule):
                options[name] = serialize(value)
                continue
            options[name] = masks.mask_config(type(self).__name__, name, value)
        return {
            **config,
            "gradient_transforms": [serialize(transform) for transform in self.gradient_transforms],
            "weight_decay_mode": self.weight_decay_mode,
            "nonfinite": self.nonfinite,
            "compile_update": self.compile_update,
            **options,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Self:
        """Return an optimizer with this configuration, without state."""

        def restored(value: Any) -> Any:
            return (
                keras.saving.deserialize_keras_object(value, custom_objects=custom_objects)
                if isinstance(value, dict)
                else value
            )

        config = {name: restored(value) for name, value in config.items()}
        config["gradient_transforms"] = [restored(value) for value in config.get("gradient_transforms", ())]
        return cls(**config)
