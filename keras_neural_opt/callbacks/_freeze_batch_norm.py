"""Freezes batch norms from some epoch on."""

from collections.abc import Sequence
from typing import Any

import keras

from keras_neural_opt._core import masks
from keras_neural_opt._core.arguments import check_arguments, flag, integer
from keras_neural_opt.training._frozen_batch_norm import FrozenCall, batch_norms, frozen_calls, is_frozen


class FreezeBatchNorm(keras.callbacks.Callback):
    """Freezes the statistics of batch norms from an epoch on: training normalizes by them, and they stop to move.

    For the last epochs of a training, so that the weights adapt to the very function that inference computes; and from
    epoch 0 for fine-tuning and detection, whose few samples a step give worse statistics than the first training had.
    The step is compiled anew once; the optimizer and its state stay.

    Args:
        epoch: The first epoch, counted from 0 as `fit` does, in which they are frozen. Defaults to 0.
        layers: None (default) for every batch norm, or regular expressions found in the layer's path (`"!..."` leaves
            out).
        scale_and_offset: Whether `gamma` and `beta` stand still, too. Defaults to False: they go on to be trained.
        thaw: Whether the norms move again after `fit`. Defaults to False: they stay frozen in a later `fit`.

    Raises:
        ValueError: An argument breaks its rule. When `fit` starts: no batch norm has such a path. When the epoch comes:
            scale and offset are to be held and the model is not built.

    Example:
        >>> import keras
        >>> import numpy as np
        >>> import keras_neural_opt as kno
        >>> x = np.random.default_rng(0).normal(size=(64, 3)).astype("float32")
        >>> norm = keras.layers.BatchNormalization()
        >>> model = keras.Sequential([keras.Input((3,)), norm, keras.layers.Dense(1)])
        >>> model.compile("sgd", "mse")
        >>> history = model.fit(x, x[:, :1], callbacks=[kno.callbacks.FreezeBatchNorm()], epochs=2, verbose=0)
        >>> norm.moving_mean.numpy().tolist()
        [0.0, 0.0, 0.0]

    Note:
        That a norm is frozen is not saved with the model. To resume, give the callback to `fit` again, with
        `initial_epoch`. `layer.trainable = False` does all of it at once, before `compile`: later it would change the
        variables under the optimizer. Gradients of a held scale still count in a global norm.

        Held are the values that are there when the epoch comes, or when a later `fit` with this callback begins: those
        that were set or restored in between. In a later `fit` without it the former ones come back. Averages of weights
        replace a held scale, too, at the end of `fit`: by its average, also over the time before; with `use_ema` of
        Keras' own optimizers over values that each step makes before they are put back.
    """

    def __init__(
        self,
        epoch: int = 0,
        layers: Sequence[str] | None = None,
        scale_and_offset: bool = False,
        thaw: bool = False,
    ) -> None:
        super().__init__()
        given = check_arguments(
            type(self).__name__,
            epoch=integer(epoch, 0),
            layers=masks.patterns(layers),
            scale_and_offset=flag(scale_and_offset),
            thaw=flag(thaw),
        )
        self._epoch, self._layers = given["epoch"], given["layers"]
        self._hold, self._thaw = given["scale_and_offset"], given["thaw"]
        self._frozen: list[FrozenCall] = []

    def on_train_begin(self, logs: Any = None) -> None:
        """See whether there is anything to freeze, and hold what was set since an earlier `fit`."""
        chosen = self._chosen()
        if not chosen:
            paths = ", ".join(norm.path for norm in batch_norms(self.model)) or "none"
            raise ValueError(
                f"{type(self).__name__}.layers must be found in the path of a batch norm; received {self._layers!r} for"
                f" a model with {paths}"
            )
        changed = [call.hold_anew() for norm in chosen for call in frozen_calls(norm)]
        if any(changed):
            self.model.make_train_function(force=True)  # The old values are compiled into the step.

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Freeze the norms when their epoch has come."""
        if epoch < self._epoch:
            return
        chosen = [norm for norm in self._chosen() if not is_frozen(norm, self._hold)]
        if self._hold and not all(norm.built for norm in chosen):
            raise ValueError(
                f"{type(self).__name__} holds the scale and offset of models that are built; call it once on data, or"
                " give it an Input"
            )
        if chosen:
            self._frozen += [FrozenCall(norm, self._hold) for norm in chosen]
            self.model.make_train_function(force=True)  # What is compiled moves them.

    def on_train_end(self, logs: Any = None) -> None:
        """Let the norms move again if asked to."""
        if self._thaw and self._frozen:
            while self._frozen:
                self._frozen.pop().thaw()
            self.model.make_train_function(force=True)

    def _chosen(self) -> list[Any]:
        return [norm for norm in batch_norms(self.model) if masks.selects(self._layers, norm)]
