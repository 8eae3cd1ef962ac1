"""Sets dropout rates from outside."""

from collections.abc import Callable, Sequence
from typing import Any

import keras

from keras_neural_opt._core.arguments import Argument, check_arguments, fraction, text
from keras_neural_opt._core.layer_paths import layer_paths
from keras_neural_opt._core.masks import patterns, selects
from keras_neural_opt._core.scalars import number
from keras_neural_opt.layers._scheduled_rate import ScheduledRate, rate_argument
from keras_neural_opt.layers._with_scheduled_dropout import is_ordinary
from keras_neural_opt.schedules import Schedule

LearningRateSchedule = keras.optimizers.schedules.LearningRateSchedule
# Under this the other callbacks of a `fit` find, before it starts, that somebody sets rates.
RATES_ARE_SET = "dropout_rates_are_set"


class DropoutScheduler(keras.callbacks.Callback):
    """Sets the rate of dropout layers at the start of each epoch.

    For those who think in epochs, or in a function of their own. The layers are those of `keras_neural_opt.layers` that
    were given a number: their rate is a weight, so that nothing is compiled again. Several of these callbacks can take
    care of several groups of layers.

    Args:
        schedule: A schedule of rates in [0, 1), which counts epochs here whatever its unit, or a function of the
            number of the epoch, from 0.
        layers: None for all layers without a schedule of their own (default), or a list of regular expressions for
            those in whose path one is found, the names that lead to them: `encoder/drop`; one that starts with `!`
            leaves layers out.
        name: Under which name the rate is written into the logs. Defaults to `"dropout_rate"`.

    Raises:
        ValueError: An argument breaks its rule. When `fit` starts: no layer is chosen, or one that has a schedule of
            its own, or an ordinary dropout layer of Keras, whose rate is compiled into the step. Later: the function
            returns no rate.

    Example:
        >>> import keras
        >>> import numpy as np
        >>> import keras_neural_opt as kno
        >>> model = keras.Sequential([kno.layers.ScheduledDropout(0.0), keras.layers.Dense(1)])
        >>> model.compile("sgd", "mse")
        >>> falling = kno.callbacks.DropoutScheduler(kno.schedules.LinearDecay(0.5, 2))
        >>> x = np.zeros((4, 3), "float32")
        >>> model.fit(x, x[:, :1], epochs=3, callbacks=[falling], verbose=0).history["dropout_rate"]
        [0.5, 0.25, 0.0]

    Note:
        As `keras.callbacks.LearningRateScheduler` does for the learning rate. The last rate stays after `fit`; an epoch
        of a resumed training (`initial_epoch`) gets the rate of its number. `AdaptiveDropoutRate` refuses to stand
        beside it, as nothing would be left of the rates that it finds.
    """

    def __init__(
        self,
        schedule: Callable[[int], Any],
        layers: Sequence[str] | None = None,
        name: str = "dropout_rate",
    ) -> None:
        super().__init__()
        checked = check_arguments(
            type(self).__name__, schedule=_schedule(schedule), layers=patterns(layers), name=text(name)
        )
        self.schedule, self.layers, self.name = checked["schedule"], checked["layers"], checked["name"]

    def set_params(self, params: Any) -> None:
        """Take what `fit` tells all of its callbacks, and tell them that rates are set here."""
        super().set_params(params)
        if params is not None:
            params[RATES_ARE_SET] = True

    def on_train_begin(self, logs: Any = None) -> None:
        """Refuse a model whose dropout this cannot change."""
        owner = type(self).__name__
        layers = layer_paths(self.model)
        ordinary = [path for path, layer in layers.items() if is_ordinary(layer) and selects(self.layers, path)]
        if ordinary:
            raise ValueError(
                f"{owner}.layers must be layers whose rate is not compiled into the step; received"
                f" {', '.join(ordinary)}. keras_neural_opt.layers.with_scheduled_dropout(model, 0.0) replaces them"
            )
        chosen = self._chosen()
        own = [path for path, layer in chosen.items() if layer.schedule is not None]
        if own:
            raise ValueError(f"{owner}.layers must have no schedule of their own; received {', '.join(own)}")
        if not chosen:
            names = ", ".join(path for path, layer in layers.items() if isinstance(layer, ScheduledRate)) or "none"
            raise ValueError(
                f"{owner}.layers must choose at least one of the model's scheduled layers without a schedule; received"
                f" {self.layers!r}, and there are {names}"
            )

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Set the rates."""
        rate = self.schedule(epoch)
        rate = number(rate) if keras.ops.is_tensor(rate) else rate  # What is neither is refused by name.
        self._rate = fraction(rate).check(type(self).__name__, "schedule")
        for layer in self._chosen().values():
            layer.rate = self._rate

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Write the rate into the logs."""
        if logs is not None:
            logs[self.name] = self._rate

    def _chosen(self) -> dict[str, ScheduledRate]:
        # Through the model, each time: on JAX only that brings its variables back from the compiled step.
        layers = layer_paths(self.model).items()
        chosen = {path: each for path, each in layers if isinstance(each, ScheduledRate) and selects(self.layers, path)}
        return {path: each for path, each in chosen.items() if self.layers is not None or each.schedule is None}


def _schedule(value: Any) -> Argument:
    rule = "a LearningRateSchedule of numbers in [0, 1) or a function of the epoch"
    if isinstance(value, Schedule) and value.counts_epochs:
        value = value.in_steps(1)  # Which are epochs here.
    if isinstance(value, LearningRateSchedule):
        checked = rate_argument(value)
        return Argument(value, rule, checked.convert, checked.hint)

    def convert(given: Any) -> Any:
        if not callable(given) or isinstance(given, type):
            raise ValueError
        return given

    return Argument(value, rule, convert)
