"""Shows what schedules gave."""

from typing import Any

import keras

from keras_neural_opt._core.layer_paths import layer_paths
from keras_neural_opt._core.nested import innermost
from keras_neural_opt._core.scalars import number
from keras_neural_opt.layers._scheduled_rate import ScheduledRate


class LogHyperparameters(keras.callbacks.Callback):
    """Writes the learning rate, and every other hyperparameter that follows a schedule, into the logs of each epoch.

    From there they go into the history and, where this callback stands before it, into TensorBoard. Several optimizers,
    of a `MultiOptimizer`, put their names in front. The rate of a dropout layer that follows a schedule is there as
    `<layer>/rate`, in a model inside of the model as `<model>/<layer>/rate`.

    Example:
        >>> import keras
        >>> import numpy as np
        >>> import keras_neural_opt as kno
        >>> model = keras.Sequential([keras.layers.Dense(1)])
        >>> model.compile(kno.optimizers.SGD(kno.schedules.StepDecay(0.5, 2), kno.schedules.Constant(0.9)), "mse")
        >>> shown = kno.callbacks.LogHyperparameters()
        >>> history = model.fit(np.zeros((4, 1)), np.zeros((4, 1)), 2, epochs=2, callbacks=[shown], verbose=0)
        >>> {name: [round(x, 3) for x in history.history[name]] for name in ("learning_rate", "momentum")}
        {'learning_rate': [0.05, 0.005], 'momentum': [0.9, 0.9]}

    Note:
        They are those of the next step; a layer's is that of its latest. It looks once an epoch only, which costs a
        step nothing.
    """

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Add them to the logs."""
        found: dict[str, dict[str, float]] = {}
        for each in innermost(self.model.optimizer):
            scheduled = each.scheduled() if hasattr(each, "scheduled") else {}
            if isinstance(each.weight_decay, keras.optimizers.schedules.LearningRateSchedule):
                scheduled["weight_decay"] = each.weight_decay
            found[each.name] = {"learning_rate": number(each.learning_rate)} | {
                name: number(schedule(each.iterations)) for name, schedule in scheduled.items()
            }
        for optimizer, values in found.items():
            for name, value in values.items():
                logs[name if len(found) == 1 else f"{optimizer}/{name}"] = value
        for path, layer in layer_paths(self.model).items():
            if isinstance(layer, ScheduledRate) and layer.schedule is not None:
                logs[f"{path}/rate"] = number(layer.rate)
