"""What an epoch of `model.fit` costs with our Adam and with Keras'."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from keras_neural_opt import optimizers
from keras_neural_opt._core.arguments import check_arguments, integer
from keras_neural_opt.benchmarks._threads import available_threads
from keras_neural_opt.benchmarks._timing import interleaved, ratios, summary


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
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    images = (images / 16.0).reshape(-1, 8, 8, 1).astype("float32")
    losses: dict[str, list[float]] = {"ours": [], "keras": []}

    def epoch(name: str, optimizer: Any) -> Callable[[], None]:
        model = _network(seed)
        model.compile(optimizer, keras.losses.SparseCategoricalCrossentropy(from_logits=True))

        def run() -> None:
            history = model.fit(images, labels, batch_size=64, shuffle=False, verbose=0)
            losses[name].append(float(history.history["loss"][-1]))

        return run

    candidates = {
        "ours": epoch("ours", optimizers.Adam(1e-3)),
        "keras": epoch("keras", keras.optimizers.Adam(1e-3)),
    }
    samples = interleaved(candidates, rounds, advance=advance)
    return {
        "benchmark": "fit",
        "threads": available_threads(),
        "rounds": rounds,
        "seed": seed,
        "samples": len(images),
        "batch_size": 64,
        "results": [
            {
                "optimizer": "Adam",
                "times": summary(samples),
                "ours_over": ratios(samples, "ours"),
                "first_loss": {name: round(float(np.float32(values[0])), 6) for name, values in losses.items()},
                "last_loss": {name: round(float(np.float32(values[-1])), 6) for name, values in losses.items()},
            }
        ],
    }


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
