"""Finds a learning rate by a range test, before a training."""

from typing import Any

import keras

from keras_neural_opt._core.arguments import check_arguments, flag, integer
from keras_neural_opt._core.nested import is_innermost
from keras_neural_opt.training._data import Data, count_batches, fit_arguments
from keras_neural_opt.training._epochs import count_epochs, with_calls
from keras_neural_opt.training._learning_rate_range import LearningRateRange
from keras_neural_opt.training._range_test import RangeTest
from keras_neural_opt.training._untouched import check_trainable, copied, untouched

OWNER = "find_learning_rate"


def find_learning_rate(
    model: keras.Model,
    data: Any,
    minimum: float = 1e-6,
    maximum: float = 10.0,
    steps: int = 200,
    spacing: str = "exponential",
    stop_factor: float = 4.0,
    batch_size: int = 32,
    rule: str = "middle",
    shuffle: bool = True,
) -> LearningRateRange:
    """Find a learning rate by a range test (Smith, 2017): some steps at ever larger rates, until the loss blows up.

    Before a training, for a model, an optimizer and data that are new to each other. Afterwards the model, its
    optimizer, all random numbers and the order of the data are exactly as before: see `training.TrainingState`.

    Args:
        model: A model that is built and compiled. A copy of its optimizer, with its other settings, takes the steps.
        data: What `fit` takes: `(x, y)`, `(x, y, sample_weight)`, or a dataset that knows its length. Its first
            `steps` batches are trained on, over several epochs if it has fewer.
        minimum: The first rate, > 0. Defaults to 1e-6.
        maximum: The last rate, above the first. Defaults to 10.
        steps: How many steps lead from one to the other, >= 10. Defaults to 200. In fewer the loss lags
            behind the rate, and what is suggested is too high.
        spacing: `"exponential"` (default) or `"linear"`.
        stop_factor: It ends where a loss is above that many times the least one plus the first, > 0. Defaults to 4.
        batch_size: Samples a step where the data are arrays. Defaults to 32. Take that of the training.
        rule: Which suggestion is `suggestion`: `"middle"`, half-way between where the smoothed loss ends to fall fast
            and where it is least (default); `"steepest"`, where it falls fastest; `"minimum"`, a tenth of the rate
            where it is least; or `"valley"`, two thirds into its longest fall.
        shuffle: Whether arrays and a PyDataset are shuffled, as by `fit`. Defaults to True.

    Returns:
        Rates, losses, `suggestion`, `suggestions`, `plot()`, `table()`.

    Raises:
        ValueError: An argument breaks its rule. Nothing was trained then.
        RuntimeError: The loss blows up at once.

    Example:
        >>> import keras
        >>> import numpy as np
        >>> import keras_neural_opt as kno
        >>> x = np.random.default_rng(0).normal(size=(256, 4)).astype("float32")
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
        >>> model.compile(kno.optimizers.SGD(), "mse")
        >>> found = kno.find_learning_rate(model, (x, x.sum(1)))
        >>> 0.001 < found.suggestion < 1.0
        True

    Note:
        As fastai's `lr_find` and torch-lr-finder; the loss is that of each batch, and not Keras' mean over the epoch.

    References:
        Smith, Cyclical Learning Rates for Training Neural Networks, 2017, https://arxiv.org/abs/1506.01186
    """
    check_arguments(OWNER, batch_size=integer(batch_size, 1), shuffle=flag(shuffle))
    test = RangeTest(OWNER, minimum, maximum, steps, spacing, stop_factor, rule)
    check_trainable(OWNER, model)
    Data(data, argument=f"{OWNER}.data")
    batches = count_batches(data, batch_size)
    if batches is None:
        raise ValueError(f"{OWNER}.data must know its length, and not be used up by looking at it; received {data!r}")
    probe = _with_rates_of(test, model.optimizer)
    count_epochs(OWNER, probe, batches)
    with untouched(model):
        model.optimizer = probe
        model.fit(
            **fit_arguments(data, batch_size, shuffle), epochs=-(-steps // batches), callbacks=[_Watch(test)], verbose=0
        )
    return test.result()


class _Watch(keras.callbacks.Callback):
    """Ends the training with the test."""

    def __init__(self, test: RangeTest) -> None:
        super().__init__()
        self._test = test

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        self._test.before_batch(self.model)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self._test.after_batch(float((logs or {})["loss"]))
        self.model.stop_training = self._test.ended


def _with_rates_of(test: RangeTest, optimizer: Any) -> Any:
    """Return a new optimizer of the same configuration, whose rate goes through the range."""
    copy = copied(optimizer)
    for each, calls in with_calls(copy):
        if is_innermost(each):
            each.learning_rate = test.schedule(calls)
    return copy
