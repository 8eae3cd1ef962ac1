"""Tells schedules how long an epoch is."""

from typing import Any

import keras

from keras_neural_opt._core.arguments import integer, optional
from keras_neural_opt.training._epochs import count_epochs


class ScheduleInEpochs(keras.callbacks.Callback):
    """Lets schedules with `unit="epoch"` count epochs, when `fit` starts.

    The schedules of the optimizer, of those inside it, and of dropout layers (of the rate, or of the `kl_weight` of
    `VariationalDropout`) are replaced by what their `in_steps`
    returns, once: in a later `fit` they count steps of the length that they learned in the first. Layers count batches.

    Args:
        steps_per_epoch: Calls of the optimizer in an epoch. Defaults to None: as many as `fit` has batches.

    Raises:
        ValueError: An argument breaks its rule. When `fit` starts: such a schedule is there, and the data does not know
            its length.

    Example:
        >>> import keras
        >>> import numpy as np
        >>> import keras_neural_opt as kno
        >>> x = np.zeros((64, 3), "float32")
        >>> model = keras.Sequential([keras.layers.Dense(1)])
        >>> rate = kno.schedules.Warmup(kno.schedules.CosineAnnealing(0.1, 2.5, unit="epoch"), 0.5, unit="epoch")
        >>> model.compile(kno.optimizers.SGD(rate), "mse")
        >>> history = model.fit(x, x[:, :1], callbacks=[kno.callbacks.ScheduleInEpochs()], epochs=3, verbose=0)
    """

    def __init__(self, steps_per_epoch: int | None = None) -> None:
        super().__init__()
        given = optional(integer(steps_per_epoch, 1))
        self._steps_per_epoch = given.check(type(self).__name__, "steps_per_epoch")

    def on_train_begin(self, logs: Any = None) -> None:
        """Replace the schedules, before the first step is compiled."""
        batches = self._steps_per_epoch or self.params["steps"]
        if count_epochs(type(self).__name__, self.model.optimizer, batches, self.model):
            self.model.make_train_function(force=True)  # An earlier `fit` may have compiled one.
