"""A program of several processes: they train with `CommunicationStats` and write down what it says.

communicate.py FOLDER
"""

import io
import json
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
from rich.console import Console

import keras_neural_opt as kno
from keras_neural_opt import compression as kc
from keras_neural_opt.distributed._engine import engine
from keras_neural_opt.training._training_state import random_state
from tests.distributed.train import data, shared, weights


def slow_mean(x: Any, transport: kc.Transport) -> Any:
    """Return the mean of all workers' vectors, sent many times."""
    for _ in range(20):
        x = transport.mean(x)[0]
    return x


class Slow(kc.Cast):
    """Sends everything many times: it loses on any link."""

    def reduce(self, x: Any, layout: kc.Layout, state: list[Any], transport: kc.Transport, step: Any) -> kc.Reduced:
        """Return a mean that took long, of a part of what there is."""
        part = x * 0.5
        return kc.Reduced(slow_mean(part, transport), lambda: x - part, state)


class Silent(kc.Cast):
    """Sends nothing, but all of it many times where it is off: it wins on any link."""

    def reduce(self, x: Any, layout: kc.Layout, state: list[Any], transport: kc.Transport, step: Any) -> kc.Reduced:
        """Return no gradient at all."""
        return kc.Reduced(keras.ops.zeros_like(x), lambda: x, state)

    def reduce_exactly(self, x: Any, layout: kc.Layout, state: list[Any], transport: kc.Transport) -> kc.Reduced:
        """Return a mean that took long."""
        return kc.Reduced(slow_mean(x, transport), lambda: x * 0, state)


def model_with(optimizer: keras.optimizers.Optimizer) -> keras.Model:
    """Return a compiled and distributed model that draws random numbers."""
    keras.utils.set_random_seed(7)
    dropout = keras.layers.Dropout(0.25)
    hidden = keras.layers.Dense(32, activation="tanh")
    model = keras.Sequential([keras.Input((16,)), hidden, dropout, keras.layers.Dense(1, use_bias=False)])
    model.compile(optimizer, "mse")
    return kno.distributed.distribute(model)


def fit(model: keras.Model, epochs: int, *callbacks: keras.callbacks.Callback) -> None:
    """Train on this process' part of the data."""
    model.fit(shared(*data()), epochs=epochs, verbose=0, callbacks=list(callbacks))


def stats(**arguments: Any) -> tuple[kno.distributed.CommunicationStats, io.StringIO]:
    """Return the callback and where it prints."""
    printed = io.StringIO()
    return kno.distributed.CommunicationStats(console=Console(file=printed, width=100), **arguments), printed


def measured(compression: kc.Compressor | None) -> dict:
    """Train with the callback and return what it says and what came of the training."""
    optimizer = kno.distributed.DistributedOptimizer(kno.optimizers.Adam(0.01), compression)
    watch, printed = stats(rounds=3)
    result = trained(optimizer, watch)
    residual = optimizer._buckets[0].state[:1]
    waiting = engine.together(lambda _, values: values, residual, [True])() if residual else []
    own = {
        "waiting": [keras.ops.convert_to_numpy(x).tolist() for x in waiting],
        "history": watch.history,
        "seconds": watch.seconds,
        "compresses": optimizer.compresses,
    }
    return {"result": result, "printed": printed.getvalue(), **own}


def trained(optimizer: kno.distributed.DistributedOptimizer, *callbacks: keras.callbacks.Callback) -> dict:
    """Train and return what came of it: weights, bytes, state, and the next random numbers."""
    model = model_with(optimizer)
    fit(model, 2, *callbacks)
    python, numpy, *_ = random_state()
    drawn = [python, np.asarray(numpy[1]).tolist(), float(keras.random.uniform(()))]
    state: dict[str, np.ndarray] = {}
    optimizer.save_own_variables(state)
    state.pop("manifest")  # it has the model's name, of which each has its own
    kept = {name: np.asarray(value).tolist() for name, value in state.items()}
    return {"weights": weights(model), "bytes": optimizer.bytes_sent, "state": kept, "random": drawn}


def switched_off() -> dict:
    """Train with what loses, from the beginning and after an epoch that has left something waiting."""
    watch, printed = stats(auto_off=True, rounds=3)
    optimizer = kno.distributed.DistributedOptimizer(kno.optimizers.Adam(0.01), Slow())
    model = model_with(optimizer)
    fit(model, 2, watch)

    second = kno.distributed.DistributedOptimizer(kno.optimizers.Adam(0.01), Slow())
    later = model_with(second)
    watches = [stats(auto_off=off, rounds=1)[0] for off in (False, True)]
    for each in watches:
        fit(later, 1, each)
    return {
        "weights": weights(model),
        "history": watch.history,
        "printed": printed.getvalue(),
        "compresses": [optimizer.compresses, second.compresses],
        "later": [each.history for each in watches],
        "later_weights": weights(later),
    }


def switched_on() -> dict:
    """Train with what wins, after it was switched off by hand."""
    watch, printed = stats(auto_off=True)
    optimizer = kno.distributed.DistributedOptimizer(kno.optimizers.SGD(0.01), Silent())
    model = model_with(optimizer)
    optimizer.compresses, before = False, weights(model)
    fit(model, 1, watch)
    moved = weights(model) != before
    return {"moved": moved, "compresses": optimizer.compresses, "printed": printed.getvalue()}


def accumulated() -> dict:
    """Train with the gradients of two calls in each step."""
    watch, _ = stats(rounds=1)
    fit(model_with(kno.distributed.DistributedOptimizer("adam", kc.Int8(), accumulation_steps=2)), 2, watch)
    return {"history": watch.history}


def main(folder: str) -> None:
    """Train, and write a file for each process."""
    cluster = kno.distributed.initialize(timeout=300.0)
    found = {
        "unwatched": trained(kno.distributed.DistributedOptimizer(kno.optimizers.Adam(0.01), kc.PowerSGD(2))),
        "PowerSGD": measured(kc.PowerSGD(2)),
        "none": measured(None),
        "off": switched_off(),
        "on": switched_on(),
        "accumulated": accumulated(),
    }
    (Path(folder) / f"{cluster.rank}.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
