"""What a trial of one epoch costs, next to the plain way to build, compile and train the same network."""

import multiprocessing
import tempfile
import time
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from keras_neural_opt._core.branches import nothing
from keras_neural_opt.benchmarks._train_data import Data, digits

# By name, and drawn with a seed.
NETWORKS: dict[str, str | int] = {"MobileNetV3Small": "small", "drawn": 0}
_SHAPE, _CLASSES, _BATCH = (28, 28, 1), 10, 32


def architecture_trial(advance: Callable[[], Any] | None = None) -> dict[str, Any]:
    """Measure trials of networks of the space of MobileNetV3 on scikit-learn's digits, at 28 x 28 pixels, one epoch.

    Each is run in a process of its own, which has compiled nothing yet. The plain way is `build`, `compile` with Keras'
    Adam and `fit`, with their defaults. Imports do not count; what the trial writes to disk does.

    Args:
        advance: Called after each trial, to show progress.

    Returns:
        A record: of each network the seconds of processor time, ours and the plain way's.

    Example:
        >>> from keras_neural_opt.benchmarks import architecture_trial
        >>> record = architecture_trial()  # doctest: +SKIP
    """
    results = []
    for name, which in NETWORKS.items():
        row: dict[str, Any] = {"network": name}
        for way in WAYS:
            row[way] = _alone(way, which)
            (advance or nothing)()
        results.append({**row, "ours_over_plain": round(row["ours"] / row["plain"], 3)})
    return {"benchmark": "architecture-trial", "batch": _BATCH, "results": results}


def trials() -> int:
    """Return how many trials `architecture_trial` runs."""
    return len(NETWORKS) * len(WAYS)


def _alone(way: str, which: str | int) -> float:
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        return pool.apply(processor_seconds, (way, which))


def processor_seconds(way: str, which: str | int) -> float:
    """Return the seconds of processor time of one way to train one network."""
    data = _images(digits(None))
    keras.utils.set_random_seed(0)
    space = _space(which)
    begin = time.process_time()
    WAYS[way](space, data)
    return round(time.process_time() - begin, 2)


def _plain(space: Any, data: Data) -> None:
    model = space._build({"network": 0}, _SHAPE, _CLASSES)
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    judged = data.held_out_inputs, data.held_out_labels
    model.fit(data.inputs, data.labels, _BATCH, validation_data=judged, verbose=0)


def _ours(space: Any, data: Data) -> None:
    from keras_neural_opt.nas._searched_architecture import SearchedArchitecture
    from keras_neural_opt.nas._task import task_of
    from keras_neural_opt.nas._tuner import ArchitectureTuner
    from keras_neural_opt.training._data import Data as Given

    given = Given((data.inputs, data.labels), (data.held_out_inputs, data.held_out_labels), "architecture_trial")
    options: dict[str, Any] = {
        "optimizer": "adamw",
        "loss": None,
        "metrics": None,
        "initial_weights": None,
        "folds": None,
    }
    options |= {"epochs": 1, "batch_size": _BATCH}
    task = task_of(given, None)
    searched = SearchedArchitecture(space, task, {}, ["val_accuracy"], given, space.genes, options)
    with tempfile.TemporaryDirectory() as folder:
        tuner = ArchitectureTuner(searched, "val_accuracy", 1, hyperparameters=space.genes, seed=1, directory=folder)
        tuner.search(verbose=0)


WAYS: dict[str, Callable[[Any, Data], None]] = {"plain": _plain, "ours": _ours}


def _space(which: str | int) -> Any:
    """Return a space that is one network."""
    from keras_neural_opt.nas import SearchSpace, mobilenet_v3
    from keras_neural_opt.nas._genes import sample

    every = mobilenet_v3()
    genotype = every.named[which] if isinstance(which, str) else sample(every.genes, np.random.default_rng(which))
    return SearchSpace(
        [("network", "categorical", [0, 1])],
        lambda genes, shape, classes: every._build(every.check(genotype), shape, classes),
    )


def _images(data: Data) -> Data:
    """Return images of 28 x 28 pixels from those of 8 x 8: each pixel four times as large, without the outer ones."""
    larger = [
        np.kron(images, np.ones((1, 4, 4, 1), "float32"))[:, 2:30, 2:30]
        for images in (data.inputs, data.held_out_inputs)
    ]
    return data._replace(inputs=larger[0], held_out_inputs=larger[1])
