"""Dropout that follows how far validation is behind training."""

import warnings
from typing import Any

import keras

from keras_neural_opt._core.arguments import Configurable, finite, fraction, positive_fraction
from keras_neural_opt._core.layer_paths import layer_paths
from keras_neural_opt._core.scalars import number
from keras_neural_opt.callbacks._dropout_scheduler import RATES_ARE_SET


class AdaptiveDropoutRate(Configurable, keras.callbacks.Callback):
    r"""Raises dropout rates when a model overfits, and lowers them when it underfits, at the end of each epoch.

    It looks at the gap between the losses, :math:`(\text{validation} - \text{training}) / |\text{validation}|`. Nothing
    is compiled anew. Choose it where nobody knows a good rate and one training is all there is.

    It acts on `ScheduledDropout` and its kin that were given a number, each from where it stands, and on every other
    layer whose attribute `rate` is a `keras.Variable`; not on those that follow a `schedule`. The rate of
    `keras.layers.Dropout` is a number, compiled into the step: `layers.with_scheduled_dropout` replaces it.

    Args:
        upper_gap: From above this gap on rates rise. Defaults to 0.1.
        lower_gap: From below this gap on they fall. Defaults to 0.
        change: How much a rate moves, in (0, 1]. Defaults to 0.05.
        minimum_rate: To where rates fall, in [0, 1). Defaults to 0. One that is below stays there until it rises.
        maximum_rate: To where they rise, in [0, 1). Defaults to 0.5. One that is above stays there until it falls.

    Raises:
        ValueError: An argument breaks its rule. When `fit` starts: the model has no such layer, or a
            `DropoutScheduler` is there, which would set other rates before each epoch.

    Example:
        >>> import keras
        >>> import numpy as np
        >>> import keras_neural_opt as kno
        >>> model = keras.Sequential([kno.layers.ScheduledDropout(0.0), keras.layers.Dense(1)])
        >>> model.compile("sgd", "mse")
        >>> x, y = np.zeros((8, 1)), np.zeros((8, 1))
        >>> adaptive = kno.callbacks.AdaptiveDropoutRate()
        >>> history = model.fit(x, y, validation_data=(x, y + 1), callbacks=[adaptive], epochs=2, verbose=0)
        >>> [round(rate, 3) for rate in history.history["dropout_rate"]]
        [0.05, 0.1]

    Note:
        The logs get `dropout_rate`, that of the next epoch; of several layers each under its path, `encoder/drop/rate`.
        Keras takes the training loss with dropout and over the whole epoch, which makes the gap small, often negative.
        Rates are saved with the model, and there is nothing else to resume. An epoch without validation changes
        nothing.
    """

    upper_gap: float
    lower_gap: float
    change: float
    minimum_rate: float
    maximum_rate: float

    def __init__(
        self,
        upper_gap: float = 0.1,
        lower_gap: float = 0.0,
        change: float = 0.05,
        minimum_rate: float = 0.0,
        maximum_rate: float = 0.5,
    ) -> None:
        super().__init__()
        self.set_hyperparameters(
            upper_gap=finite(upper_gap),
            lower_gap=finite(lower_gap),
            change=positive_fraction(change),
            minimum_rate=fraction(minimum_rate),
            maximum_rate=fraction(maximum_rate),
        )
        for least, most in (("lower_gap", "upper_gap"), ("minimum_rate", "maximum_rate")):
            low, high = getattr(self, least), getattr(self, most)
            if low > high:
                raise ValueError(f"{type(self).__name__}.{least} must be at most {most}, {high}; received {low}")

    def on_train_begin(self, logs: Any = None) -> None:
        """Look whether there is anything to act on."""
        self._judged = False
        owner = type(self).__name__
        if self.params and RATES_ARE_SET in self.params:
            raise ValueError(f"{owner} must be without DropoutScheduler, which sets other rates before each epoch")
        if not self._rates():
            raise ValueError(
                f"{owner} needs a layer whose rate is a keras.Variable, without a schedule; the model has none (the"
                " rate of keras.layers.Dropout is compiled into the step;"
                " keras_neural_opt.layers.with_scheduled_dropout(model, rate) replaces it)"
            )

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Move the rates, and write them into the logs."""
        logs = {} if logs is None else logs
        change = self._change(logs)
        rates = self._rates()
        for path, rate in rates.items():
            value = number(rate)
            if change:
                rate.assign(value := self._moved(value, change))
            logs["dropout_rate" if len(rates) == 1 else f"{path}/rate"] = value

    def on_train_end(self, logs: Any = None) -> None:
        """Warn where no epoch was validated."""
        if not self._judged:
            warnings.warn(f"{type(self).__name__} found no val_loss: give fit validation data", stacklevel=2)

    def _change(self, logs: dict[str, float]) -> float:
        if "val_loss" not in logs:
            return 0.0
        self._judged = True
        behind, scale = logs["val_loss"] - logs["loss"], abs(logs["val_loss"])
        # Multiplied, for a loss may be 0; a NaN is neither above nor below.
        if behind > self.upper_gap * scale:
            return self.change
        return -self.change if behind < self.lower_gap * scale else 0.0

    def _moved(self, rate: float, change: float) -> float:
        # A rate that begins outside of the bounds comes no nearer against the direction.
        if change > 0:
            return min(rate + change, max(rate, self.maximum_rate))
        return max(rate + change, min(rate, self.minimum_rate))

    def _rates(self) -> dict[str, Any]:
        # Through the model: on JAX only that brings its variables back from the compiled step, and takes them again.
        layers = layer_paths(self.model).items()
        found = {path: getattr(layer, "rate", None) for path, layer in layers if _is_free(layer)}
        return {path: rate for path, rate in found.items() if isinstance(rate, keras.Variable)}


def _is_free(layer: Any) -> bool:
    return getattr(layer, "schedule", None) is None
