"""Finds the learning rate in the first batches of a training, and goes on with it."""

import math
from typing import Any

import keras

from keras_neural_opt._core.nested import is_innermost
from keras_neural_opt.training import LearningRateRange, TrainingState
from keras_neural_opt.training._epochs import with_calls
from keras_neural_opt.training._range_test import RangeTest


class LearningRateFinder(keras.callbacks.Callback):
    """Finds the learning rate in the first batches of `fit` by a range test (Smith, 2017), and goes on with it.

    The first `steps` batches are trained on at ever larger rates, until the loss blows up. Then weights, the
    optimizer's state and random numbers go back to what they were, the rate becomes what was suggested, and training
    begins. It does so once, in its first `fit`. In epochs that end within the test the losses, and the metrics that
    should fall, are infinite, those that should rise minus infinity, and those that Keras does not know missing, so
    that no later callback takes such an epoch for the best: put this one first. `find_learning_rate` takes nothing from
    the epochs, and also goes back when it is interrupted, which leaves this one at the weights and the rate that it was
    trying.

    Args:
        minimum: The first rate, > 0. Defaults to 1e-6.
        maximum: The last rate, above the first. Defaults to 10.
        steps: How many batches lead from one to the other, >= 10. Defaults to 200.
        spacing: `"exponential"` (default) or `"linear"`.
        stop_factor: It ends where a loss is above that many times the least one plus the first, > 0. Defaults to 4.
        rule: `"middle"` (default), `"steepest"`, `"valley"` or `"minimum"`: see `LearningRateRange.suggestions`.

    Attributes:
        found: What it found, with `suggestion`, `plot()` and `table()`; None before.

    Raises:
        ValueError: An argument breaks its rule. When `fit` starts: the optimizer follows a schedule, which the callback
            `ReduceOnPlateau` brings, too; several batches are one call (`steps_per_execution`); `fit` has too few.
        RuntimeError: The loss blows up at once, or the training ends before the test. Everything was put back then.

    Example:
        >>> import keras
        >>> import numpy as np
        >>> import keras_neural_opt as kno
        >>> x = np.random.default_rng(0).normal(size=(256, 4)).astype("float32")
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
        >>> model.compile(kno.optimizers.Adam(), "mse")
        >>> finder = kno.callbacks.LearningRateFinder()
        >>> history = model.fit(x, x.sum(1), callbacks=[finder], epochs=30, verbose=0)
        >>> abs(float(model.optimizer.learning_rate) / finder.found.suggestion - 1) < 1e-6
        True

    References:
        Smith, Cyclical Learning Rates for Training Neural Networks, 2017, https://arxiv.org/abs/1506.01186
    """

    def __init__(
        self,
        minimum: float = 1e-6,
        maximum: float = 10.0,
        steps: int = 200,
        spacing: str = "exponential",
        stop_factor: float = 4.0,
        rule: str = "middle",
    ) -> None:
        super().__init__()
        self.found: LearningRateRange | None = None
        self._test = RangeTest(type(self).__name__, minimum, maximum, steps, spacing, stop_factor, rule)
        self._testing = False
        self._before: TrainingState | None = None

    def on_train_begin(self, logs: Any = None) -> None:
        """See whether there can be a test."""
        self._testing, self._before = self.found is None, None
        if self._testing:
            self._test.begin()
            self._check()

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """See whether there are enough batches."""
        batches = self.params["steps"] and self.params["steps"] * (self.params["epochs"] - epoch)
        if self._testing and self._before is None and batches and batches <= self._test.steps:
            raise ValueError(
                f"{type(self).__name__}.steps must be below the batches of fit, {batches}; received {self._test.steps}"
            )

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Set the rate of the test; after its last batch go back, and train at what was found."""
        if not self._testing:
            return
        if self._before is None:
            self._check()  # Other callbacks may have changed the rate since.
            # Not earlier: what makes the batches may have drawn random numbers.
            self._before = TrainingState.capture(self.model)
        # Not when it ended: at the end of an epoch Keras wants its metrics as they are.
        if self._test.ended:
            self._go_back()
            self.found = self._test.result()
            for each, _ in self._steppers():
                each.learning_rate = self.found.suggestion
            return
        for each, calls in self._steppers():
            each.learning_rate = self._test.schedule(calls)(self._test.seen // calls)
        self._test.before_batch(self.model)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Look at the loss of the test."""
        if self._testing:
            self._test.after_batch(float((logs or {})["loss"]))
            if self._test.failed:
                self.model.stop_training = True

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Let nobody take the losses of the test for those of training."""
        if self._testing and logs:
            metrics = [each for metric in self.model.metrics for each in getattr(metric, "metrics", [metric])]
            worst = {"up": -math.inf, "down": math.inf}
            known = {metric.name: worst.get(getattr(metric, "_direction", "")) for metric in metrics}
            shown = {name: math.inf if name.endswith("loss") else known.get(name.removeprefix("val_")) for name in logs}
            logs.clear()  # Of the others nobody knows what would be worse.
            logs.update({name: value for name, value in shown.items() if value is not None})

    def on_train_end(self, logs: Any = None) -> None:
        """Go back if training ended before the test."""
        if not self._testing:
            return
        # Not earlier: at the end of `fit` Keras lets the optimizer change the weights.
        self._go_back()
        if self._test.ended:
            self._test.result()
        raise RuntimeError(f"{type(self).__name__}: training ended after {self._test.seen} of {self._test.steps} steps")

    def _steppers(self) -> list[tuple[Any, int]]:
        """Return the optimizers that take the steps, with the number of batches that make one."""
        return [(each, calls) for each, calls in with_calls(self.model.optimizer) if is_innermost(each)]

    def _go_back(self) -> None:
        self._testing = False
        if self._before is not None:
            self._before.restore(self.model)
            self._before = None
            if self.model.train_function is None:  # It was compiled with parts that are gone.
                self.model.make_train_function()

    def _check(self) -> None:
        if not self.model.built:  # Keras builds it in the first step on TensorFlow, and before on other backends.
            raise ValueError(
                f"{type(self).__name__} needs a model that is built; call it once on data, or give it an Input"
            )
        if self.model.steps_per_execution != 1:
            raise ValueError(
                f"{type(self).__name__} must see each batch: compile with steps_per_execution=1;"
                f" received {self.model.steps_per_execution}"
            )
        for each, calls in self._steppers():
            self._test.schedule(calls)
            if not isinstance(each._learning_rate, keras.Variable):
                raise ValueError(
                    f"{type(self).__name__} needs a number as the rate of {each.name}; it has {each._learning_rate!r}."
                    " Find one by find_learning_rate, or in a fit of its own, and give it to the schedule"
                )
