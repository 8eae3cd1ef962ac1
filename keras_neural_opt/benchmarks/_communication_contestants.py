"""Who trains over a slow link: the backend's own data parallelism, and ours with one compressor or another."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from keras_neural_opt import compression, distributed, optimizers
from keras_neural_opt.compression import Compressor, Layout, Reduced, Transport

RATE, BATCH, CLASSES = 0.01, 16, 10
NATIVE, HOOK, CONTROL = "native float32", "torch fp16 hook", "liar"

OURS: dict[str, Callable[[], Compressor | None]] = {
    "uncompressed": lambda: None,
    "Cast float16": lambda: compression.Cast("float16"),
    "Int8": compression.Int8,
    "Int4": compression.Int4,
    "PowerSGD rank 4": lambda: compression.PowerSGD(4),
    "TopK 1 %": lambda: compression.TopK(0.01),
    CONTROL: lambda: Liar(),
}


@dataclass(frozen=True)
class Contestant:
    """What one process does of a way to train together.

    Args:
        step: Makes one step and waits for its end.
        sent: Returns the bytes that it says it has sent so far.
    """

    step: Callable[[], Any]
    sent: Callable[[], int]


class Liar(Compressor):
    """Sends gradients as they are and counts a quarter of them: what the benchmark must find out."""

    remembers = True

    def reduce(self, x: Any, layout: Layout, state: list[Any], transport: Transport, step: Any) -> Reduced:
        """Return the exact mean; see `Compressor.reduce`."""
        before = transport.sent
        mean, lost = transport.mean(x)
        transport.sent = before + (transport.sent - before) // 4
        return Reduced(mean, lost, state)


def names(backend: str) -> list[str]:
    """Return the names of all contestants on a backend."""
    return [NATIVE, *([HOOK] if backend == "torch" else []), *OURS]


def contestant(name: str, model: Mapping[str, int]) -> Contestant:
    """Return a contestant; all workers must ask for it at the same time.

    Args:
        name: One of `names`.
        model: Arguments of `network_of`.
    """
    x, y = _own_batch(model["inputs"])
    if name in (NATIVE, HOOK) and keras.backend.backend() == "torch":
        from keras_neural_opt.benchmarks import _communication_torch as native

        return native.contestant(x, y, name == HOOK, **model)
    network = network_of(**model)
    if name == NATIVE:
        return _of_keras(network, x, y)
    optimizer = distributed.DistributedOptimizer(optimizers.SGD(RATE), compression=OURS[name]())
    network.compile(optimizer, _loss())
    distributed.distribute(network)
    return Contestant(lambda: network.train_on_batch(x, y), lambda: optimizer.bytes_sent)


def network_of(inputs: int, units: int, layers: int) -> keras.Model:
    """Return a network of some equal layers, with the same weights in every process."""
    keras.utils.set_random_seed(1)
    hidden = [keras.layers.Dense(units, activation="relu") for _ in range(layers)]
    return keras.Sequential([keras.Input((inputs,)), *hidden, keras.layers.Dense(CLASSES)])


def ring_bytes(parameters: int, bytes_each: int) -> int:
    """Return what a worker sends of a sum in a ring: what a sum costs at least, if all send as much."""
    size = distributed.cluster().size
    return round(2 * (size - 1) / size * bytes_each * parameters)


def _of_keras(network: keras.Model, x: np.ndarray, y: np.ndarray) -> Contestant:
    """Return Keras' own train step: GSPMD reduces its gradients on JAX, the default strategy on TensorFlow."""
    network.compile(keras.optimizers.SGD(RATE), _loss())
    steps = [0]

    def step() -> None:
        network.train_on_batch(x, y)
        steps[0] += 1

    return Contestant(step, lambda: steps[0] * ring_bytes(network.count_params(), 4))


def _loss() -> keras.losses.Loss:
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def _own_batch(inputs: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(distributed.cluster().rank)
    return rng.standard_normal((BATCH, inputs), "float32"), rng.integers(0, CLASSES, BATCH).astype("int32")
