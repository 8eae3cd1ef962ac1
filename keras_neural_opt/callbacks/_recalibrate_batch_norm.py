"""Recalibrates batch norms when a training ends."""

from typing import Any

import keras

from keras_neural_opt.training._batch_norm import check_recalibration, recalibrate_batch_norm


class RecalibrateBatchNorm(keras.callbacks.Callback):
    """Sets the statistics of every batch norm to those of the data, when `fit` ends.

    For optimizers that replace the weights at the end by an average, as `StochasticWeightAveraging`, `SWAG`,
    `ExponentialMovingAverage` and `use_ema` do. See `training.recalibrate_batch_norm`.

    Args:
        data: The training inputs, or a dataset.
        batch_size: Samples a batch, >= 1, where `data` is arrays. Defaults to 32.
        steps: None for all of the data, or the largest number of batches, >= 1.
        fraction: The part in (0, 1] of all samples that these are; the old statistics speak for the others. Defaults to
            1.

    Raises:
        ValueError: An argument breaks its rule. When `fit` ends: there is no data, or a norm with `renorm=True`.

    Example:
        >>> import keras
        >>> import numpy as np
        >>> import keras_neural_opt as kno
        >>> x = np.random.default_rng(0).normal(size=(64, 3)).astype("float32")
        >>> model = keras.Sequential([keras.layers.Dense(4), keras.layers.BatchNormalization(), keras.layers.Dense(1)])
        >>> model.compile(kno.optimizers.StochasticWeightAveraging("sgd", start_step=3), "mse")
        >>> history = model.fit(x, x[:, :1], callbacks=[kno.callbacks.RecalibrateBatchNorm(x)], epochs=3, verbose=0)
    """

    def __init__(self, data: Any, batch_size: int = 32, steps: int | None = None, fraction: float = 1.0) -> None:
        super().__init__()
        check_recalibration(type(self).__name__, batch_size, steps, fraction)
        self._arguments = data, batch_size, steps, fraction

    def on_train_end(self, logs: Any = None) -> None:
        """Recalibrate the model, whose weights are final now."""
        recalibrate_batch_norm(self.model, *self._arguments)
