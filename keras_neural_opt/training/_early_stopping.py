"""Early stopping that goes back all the way."""

from typing import Any

import keras

from keras_neural_opt._core.nested import chain


class EarlyStopping(keras.callbacks.EarlyStopping):
    """Keras' early stopping, which brings back the optimizer along with the best weights (Prechelt, 1998).

    Whoever trains on, with more data or a lower rate, then goes on from the best epoch. With the weights of one epoch
    and the moments, counters and averages of a later one the first steps would lead away from it.

    Args:
        monitor: The metric's name in the logs. Defaults to `"val_loss"`.
        min_delta: What counts as an improvement, >= 0. Defaults to 0.
        patience: After how many epochs without one training stops. Defaults to 0.
        verbose: 0 says nothing, 1 says when it stops. Defaults to 0.
        mode: `"min"`, `"max"` or `"auto"`, which knows the usual names (default).
        baseline: None, or what must be reached for an improvement to count.
        restore_best_weights: Whether to go back to the best epoch. Defaults to True, unlike Keras'.
        start_from_epoch: How many epochs are not looked at first. Defaults to 0.

    Example:
        >>> import keras
        >>> import numpy as np
        >>> import keras_neural_opt as kno
        >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
        >>> model.compile(kno.optimizers.SGD(1.5), "mse")
        >>> stopping = kno.callbacks.EarlyStopping(monitor="loss", patience=2)
        >>> history = model.fit(np.ones((4, 1)), np.ones((4, 1)), epochs=9, callbacks=[stopping], verbose=0)
        >>> len(history.history["loss"]), int(model.optimizer.iterations) == stopping.best_epoch + 1
        (3, True)

    Note:
        Averages that an optimizer puts in the place of the weights when `fit` ends are lost with it, as with Keras'
        callback: the best weights were measured without them.

    References:
        Prechelt, Early Stopping - But When?, 1998, https://doi.org/10.1007/3-540-49430-8_3
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        min_delta: float = 0,
        patience: int = 0,
        verbose: int = 0,
        mode: str = "auto",
        baseline: float | None = None,
        restore_best_weights: bool = True,
        start_from_epoch: int = 0,
    ) -> None:
        super().__init__(monitor, min_delta, patience, verbose, mode, baseline, restore_best_weights, start_from_epoch)
        self._best_state: list[Any] = []

    def on_train_begin(self, logs: Any = None) -> None:
        """Forget an earlier training."""
        super().on_train_begin(logs)
        self._best_state = []

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Keep the optimizer's state along with the weights."""
        super().on_epoch_end(epoch, logs)
        if self.best_weights is not None and self.best_epoch == epoch:
            self._best_state = [v.numpy() for v in self._variables()]

    def on_train_end(self, logs: Any = None) -> None:
        """Go back to the best epoch."""
        super().on_train_end(logs)
        for variable, value in zip(self._variables() if self._best_state else (), self._best_state, strict=True):
            variable.assign(value)

    def _variables(self) -> list[Any]:
        # Keras' optimizer of several does not have the variables of those in it.
        found = {id(v): v for each in chain(self.model.optimizer) for v in each.variables}
        return list(found.values())
