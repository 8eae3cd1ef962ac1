"""What dropout that is trained finds on MNIST: rates that follow the amount of data, and weights to leave out."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from keras_neural_opt import optimizers, schedules
from keras_neural_opt._core.arguments import check_arguments, integer
from keras_neural_opt._core.branches import nothing
from keras_neural_opt.benchmarks._train_data import Data, data_folder, mnist
from keras_neural_opt.layers import ConcreteDropout, VariationalDropout


@dataclass(frozen=True)
class Protocol:
    """How much is trained, and on what.

    Args:
        sizes: Numbers of training samples for concrete dropout.
        steps: Of each of these runs.
        units: Of the two hidden layers of each of these networks.
        epochs: Of each run with variational dropout, over all samples. In the first half its divergence grows.
        sparse_units: Of the two hidden layers of each of these networks.
        batch: Samples of a step.
    """

    sizes: tuple[int, ...] = (500, 2_000, 10_000, 60_000)
    steps: int = 2_000
    units: tuple[int, int] = (256, 256)
    epochs: int = 24
    sparse_units: tuple[int, int] = (300, 100)
    batch: int = 128


PROTOCOL = Protocol()


def dropout(
    seeds: int = 3, data: str | os.PathLike[str] | None = None, advance: Callable[[], Any] | None = None
) -> dict[str, Any]:
    """Train networks on MNIST with `ConcreteDropout`, `VariationalDropout` and with neither.

    Concrete dropout gets more and more of the training images, and as many steps on each amount. Variational dropout
    gets all of them, in the network LeNet-300-100 of its paper. Seeds have weights and samples of their own, which the
    network without dropout shares. All are judged on the test images.

    Args:
        seeds: How many, >= 1.
        data: The folder of data sets; by default what `KNO_DATA` says. Without one, Keras downloads the images.
        advance: Called after each run, to show progress.

    Returns:
        A record. For each amount and seed: the rates that were found, by layer, and the accuracies with them and
        without dropout. For each seed: the accuracies with variational dropout and without, and the sparsity, by epoch;
        the final sparsity of each layer.

    Raises:
        ValueError: An argument breaks its rule.

    Example:
        >>> from keras_neural_opt.benchmarks import dropout
        >>> record = dropout(seeds=1)  # doctest: +SKIP
    """
    check_arguments("dropout", seeds=integer(seeds, 1))
    loaded, advance = mnist(data_folder(data)), advance or nothing
    concrete = [_concrete(loaded, size, seed, advance) for size in PROTOCOL.sizes for seed in range(seeds)]
    variational = [_variational(loaded, seed, advance) for seed in range(seeds)]
    return {
        "benchmark": "dropout",
        "data": loaded.source,
        "seeds": seeds,
        "batch": PROTOCOL.batch,
        "concrete": {"steps": PROTOCOL.steps, "units": PROTOCOL.units, "runs": concrete},
        "variational": {"epochs": PROTOCOL.epochs, "units": PROTOCOL.sparse_units, "runs": variational},
    }


def runs_of(seeds: int) -> int:
    """Return how many runs `dropout` makes."""
    return 2 * seeds * (len(PROTOCOL.sizes) + 1)


def _concrete(data: Data, size: int, seed: int, advance: Callable[[], Any]) -> dict[str, Any]:
    chosen = np.random.default_rng(seed).permutation(len(data.inputs))[:size]
    samples = data.inputs[chosen], data.labels[chosen]
    epochs = max(1, PROTOCOL.steps * PROTOCOL.batch // len(chosen))
    found = {}
    for name, wrap in {"with": lambda layer: ConcreteDropout(layer, 1 / len(chosen)), "without": _unchanged}.items():
        model = _network(data, PROTOCOL.units, wrap, seed)
        model.compile(optimizers.Adam(2e-3), _loss(), metrics=["accuracy"])
        model.fit(*samples, PROTOCOL.batch, epochs, verbose=0)
        found[name] = model
        advance()
    return {
        "samples": len(chosen),
        "seed": seed,
        "rates": [round(layer.rate, 4) for layer in _wrappers(found["with"], ConcreteDropout)],
        "accuracy": {name: _accuracy(model, data) for name, model in found.items()},
    }


def _variational(data: Data, seed: int, advance: Callable[[], Any]) -> dict[str, Any]:
    steps = PROTOCOL.epochs * -(-len(data.inputs) // PROTOCOL.batch)
    weight = schedules.Warmup(1 / len(data.inputs), steps // 2)
    accuracy, seen = {}, _Sparsity()
    for name, wrap in {"with": lambda layer: VariationalDropout(layer, weight), "without": _unchanged}.items():
        model = _network(data, PROTOCOL.sparse_units, wrap, seed)
        model.compile(optimizers.Adam(schedules.LinearDecay(1e-3, steps)), _loss(), metrics=["accuracy"])
        judged = data.held_out_inputs, data.held_out_labels
        callbacks = [seen] if name == "with" else []
        history = model.fit(
            data.inputs, data.labels, PROTOCOL.batch, PROTOCOL.epochs, 0, callbacks, validation_data=judged
        ).history
        accuracy[name] = [round(float(value), 4) for value in history["val_accuracy"]]
        advance()
    return {"seed": seed, "accuracy": accuracy, "sparsity": seen.whole, "sparsity_by_layer": seen.layers}


class _Sparsity(keras.callbacks.Callback):
    """Remembers what part of all kernels is left out, after each epoch, and of each kernel after the last."""

    def __init__(self) -> None:
        super().__init__()
        self.whole: list[float] = []
        self.layers: list[float] = []

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        found = _wrappers(self.model, VariationalDropout)
        left_out = [layer.log_alpha >= layer.threshold for layer in found]
        self.layers = [round(float(each.mean()), 4) for each in left_out]
        self.whole.append(round(float(np.mean(np.concatenate([each.ravel() for each in left_out]))), 4))


def _network(data: Data, units: tuple[int, int], wrap: Callable[[Any], Any], seed: int) -> Any:
    keras.utils.set_random_seed(seed)
    dense = [keras.layers.Dense(count, "relu") for count in units] + [keras.layers.Dense(10)]
    shape = data.inputs.shape[1:]
    return keras.Sequential([keras.Input(shape), keras.layers.Flatten(), *map(wrap, dense)])


def _unchanged(layer: Any) -> Any:
    return layer


def _wrappers(model: Any, kind: type) -> list[Any]:
    return [layer for layer in model.layers if isinstance(layer, kind)]


def _loss() -> Any:
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def _accuracy(model: Any, data: Data) -> float:
    results = model.evaluate(data.held_out_inputs, data.held_out_labels, 1_000, verbose=0, return_dict=True)
    return round(float(results["accuracy"]), 4)
