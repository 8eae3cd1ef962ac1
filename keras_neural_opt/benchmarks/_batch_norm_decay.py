"""What weight decay does to weights that a batch norm follows, on real data."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from keras_neural_opt._core.arguments import check_arguments, integer
from keras_neural_opt._core.branches import nothing
from keras_neural_opt.benchmarks._train_data import Data, digits
from keras_neural_opt.callbacks import EffectiveLearningRate
from keras_neural_opt.optimizers import SGD
from keras_neural_opt.training import recalibrate_batch_norm, scale_invariant_weights

DECAYS = (0.0, 0.005, 0.02, 0.08)
RATE, BATCH, SCALE = 0.1, 32, 10.0
_EVERY, _WINDOW = 10, 4  # batches from sample to sample, samples to a point
_QUANTITIES = ("norm", "effective_learning_rate", "angular_update")


def batch_norm_decay(epochs: int = 40, seeds: int = 3, advance: Callable[[], Any] | None = None) -> dict[str, Any]:
    """Train a small convolutional net with batch norms on digits under several weight decays, and watch its kernels.

    By plain SGD at a constant rate, with decoupled decay of all kernels. A seed has the same first weights and batches
    under each decay. In the end its scale-invariant kernels are made ten times as long, and the norms recalibrated:
    what it then computes is compared with what it computed before.

    Args:
        epochs: How long to train, >= 2.
        seeds: How many weights and orders of batches, >= 1.
        advance: Called after each run, to show progress.

    Returns:
        A record. For each decay: the equilibrium of the angle, the accuracy of each seed on held-out digits, the
        largest change of a logit by longer kernels over the largest logit, and for each kernel what
        `EffectiveLearningRate` saw: the root mean square of four samples, and its geometric mean over the seeds.

    Raises:
        ValueError: An argument breaks its rule.
        ModuleNotFoundError: scikit-learn, which has the digits, is not installed.

    Example:
        >>> from keras_neural_opt.benchmarks import batch_norm_decay
        >>> record = batch_norm_decay(epochs=2, seeds=1)  # doctest: +SKIP
    """
    check_arguments("batch_norm_decay", epochs=integer(epochs, 2), seeds=integer(seeds, 1))
    data = digits(None)
    results = []
    for decay in DECAYS:
        runs = []
        for seed in range(seeds):
            runs.append(_run(data, decay, epochs, seed))
            (advance or nothing)()
        results.append(_together(decay, runs))
    return {
        "benchmark": "batch_norm_decay",
        "title": "digits, small CNN with batch norms",
        "data": data.source,
        "learning_rate": RATE,
        "batch": BATCH,
        "epochs": epochs,
        "seeds": seeds,
        "scaled_by": SCALE,
        "results": results,
    }


def runs_of(seeds: int) -> int:
    """Return how many runs `batch_norm_decay` makes."""
    return len(DECAYS) * seeds


def network() -> Any:
    """Return a convolutional network with batch norms for 8 x 8 digits."""
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(16, 3, padding="same", use_bias=False, name="conv_1"),
            layers.BatchNormalization(momentum=0.9),
            layers.ReLU(),
            layers.MaxPooling2D(),
            layers.Conv2D(32, 3, padding="same", use_bias=False, name="conv_2"),
            layers.BatchNormalization(momentum=0.9),
            layers.ReLU(),
            layers.Flatten(),
            layers.Dense(10),
        ]
    )


def _run(data: Data, decay: float, epochs: int, seed: int) -> dict[str, Any]:
    keras.utils.set_random_seed(seed)
    model = network()
    optimizer = SGD(RATE, weight_decay=decay or None, weight_decay_mask="no_norm_no_bias")
    model.compile(optimizer, keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    watch = EffectiveLearningRate(every=_EVERY)
    model.fit(data.inputs, data.labels, BATCH, epochs, verbose=0, callbacks=[watch])
    recalibrate_batch_norm(model, data.inputs, BATCH)
    before = model.predict(data.held_out_inputs, verbose=0)
    accuracy = float(np.mean(before.argmax(1) == data.held_out_labels))
    for weight in scale_invariant_weights(model):
        weight.assign(weight.numpy() * SCALE)
    recalibrate_batch_norm(model, data.inputs, BATCH)
    change = np.abs(model.predict(data.held_out_inputs, verbose=0) - before).max() / np.abs(before).max()
    watched = {path.split("/")[-2]: history for path, history in watch.history.items()}
    return {"accuracy": accuracy, "change": float(change), "watched": watched}


def _together(decay: float, runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    weights = []
    for name, first in runs[0]["watched"].items():
        points = {q: [_points(run["watched"][name][q]) for run in runs] for q in _QUANTITIES}
        means = {q: [_rounded(x) for x in np.exp(np.mean(np.log(values), axis=0))] for q, values in points.items()}
        weights.append({"weight": name, "step": first["step"][: len(means["norm"]) * _WINDOW : _WINDOW], **means})
    return {
        "weight_decay": decay,
        "equilibrium": _rounded(math.sqrt(2.0 * RATE * decay)) if decay else None,
        "accuracies": [round(run["accuracy"], 4) for run in runs],
        "change_by_scaling": _rounded(max(run["change"] for run in runs)),
        "weights": weights,
    }


def _points(samples: list[float]) -> np.ndarray:
    """Return the root mean square of every few samples: one batch turns the kernel much further than another."""
    whole = len(samples) // _WINDOW * _WINDOW
    return np.sqrt(np.mean(np.square(samples[:whole]).reshape(-1, _WINDOW), axis=1))


def _rounded(x: float) -> float:
    return float(f"{x:.4g}")
