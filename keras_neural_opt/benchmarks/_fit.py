"""What an epoch of `model.fit` costs with our Adam and with Keras'."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from keras_neural_opt import optimizers
from keras_neural_opt._core.arguments import check_arguments, integer
from keras_neural_opt.benchmarks._threads import available_threads
from keras_neural_opt.benchmarks._timing import interleaved, ratios, summary

BATCH = 64


def fit(rounds: int = 15, seed: int = 0, advance: Callable[[], Any] | None = None) -> dict[str, Any]:
    """Time an epoch of a small convolutional network on scikit-learn's digits, in turn with both optimizers.

    Args:
        rounds: Timed epochs of each, after 7 untimed ones.
        seed: Of weights and batches.
        advance: Called after each round, to show progress.

    Returns:
        A record: times by library, ours over Keras' as the median over the rounds, and the loss of each in its first
        and in its last epoch.

    Raises:
        ValueError: An argument breaks its rule.
        ModuleNotFoundError: scikit-learn is not installed.

    Example:
        >>> from keras_neural_opt.benchmarks import fit
        >>> record = fit(rounds=15)  # doctest: +SKIP
    """
    check_arguments("fit", rounds=integer(rounds, 1))
    epochs = {
        "ours": Epoch(optimizers.Adam(1e-3), seed),
        "keras": Epoch(keras.optimizers.Adam(1e-3), seed),
    }
    samples = interleaved(epochs, rounds, advance=advance)
    return {
        "benchmark": "fit",
        "threads": available_threads(),
        "rounds": rounds,
        "seed": seed,
        "samples": len(epochs["ours"].images),
        "batch_size": BATCH,
        "results": [
            {
                "optimizer": "Adam",
                "times": summary(samples),
                "ours_over": ratios(samples, "ours"),
                "first_loss": {name: round(each.losses[0], 6) for name, each in epochs.items()},
                "last_loss": {name: round(each.losses[-1], 6) for name, each in epochs.items()},
            }
        ],
    }


class Epoch:
    """An epoch of training a small convolutional network on scikit-learn's digits; called again, the next one.

    Args:
        optimizer: What trains it.
        seed: Of the weights.
        callbacks: For `fit`.
    """

    def __init__(self, optimizer: Any, seed: int, callbacks: Sequence[Any] = ()) -> None:
        from sklearn.datasets import load_digits

        images, self.labels = load_digits(return_X_y=True)
        self.images = (images / 16.0).reshape(-1, 8, 8, 1).astype("float32")
        self.losses: list[float] = []
        self._callbacks = list(callbacks)
        self._model = _network(seed)
        self._model.compile(optimizer, keras.losses.SparseCategoricalCrossentropy(from_logits=True))

    def __call__(self) -> None:
        history = self._model.fit(
            self.images, self.labels, batch_size=BATCH, shuffle=False, verbose=0, callbacks=self._callbacks
        )
        self.losses.append(float(np.float32(history.history["loss"][-1])))


def _network(seed: int) -> Any:
    keras.utils.set_random_seed(seed)
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(32, 3, padding="same", activation="relu"),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(128, activation="relu"),
            layers.Dense(10),
        ]
    )
