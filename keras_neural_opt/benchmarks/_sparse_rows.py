"""An embedding's update on TensorFlow: what it costs by the rows that a batch touches, and by the size of the table."""

import importlib
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from keras_neural_opt import optimizers
from keras_neural_opt._core.backend import native
from keras_neural_opt.benchmarks._timing import interleaved, summary

WIDTH = 32
NAMES = ("SGD", "Adagrad", "Adadelta")


def sparse_rows(
    tables: tuple[int, ...] = (20_000, 200_000),
    touched: tuple[int, ...] = (64, 1024, 16_384),
    rounds: int = 15,
    seed: int = 0,
    advance: Callable[[], Any] | None = None,
) -> dict[str, Any]:
    """Time one compiled step of an embedding table whose gradient is `tf.IndexedSlices`.

    Args:
        tables: Numbers of rows of the table; each row has 32 float32 elements.
        touched: Numbers of rows that the gradient names.
        rounds: Timed rounds.
        seed: Of the row numbers and gradients.
        advance: Called after each round, to show progress.

    Returns:
        A record: for each optimizer, table and number of touched rows the times of our update by rows, of ours with
        the gradient made dense, and of Keras'.

    Raises:
        RuntimeError: The backend is not TensorFlow.

    Example:
        >>> import keras_neural_opt.benchmarks as benchmarks
        >>> benchmarks.sparse_rows(tables=(100,), touched=(8,), rounds=1)["results"][0]["optimizer"]  # doctest: +SKIP
        'SGD'
    """
    if keras.backend.backend() != "tensorflow":
        raise RuntimeError("the sparse_rows benchmark needs the TensorFlow backend: tf.IndexedSlices exist there only")
    results = []
    for name in NAMES:
        for rows in tables:
            for count in touched:
                candidates = {
                    "ours by rows": _step(getattr(optimizers, name)(0.1), rows, count, seed, dense=False),
                    "ours dense": _step(getattr(optimizers, name)(0.1), rows, count, seed, dense=True),
                    "keras": _step(getattr(keras.optimizers, name)(0.1), rows, count, seed, dense=False),
                }
                times = summary(interleaved(candidates, rounds, advance=advance))
                results.append({"optimizer": name, "table_rows": rows, "touched_rows": count, "times": times})
    return {"benchmark": "sparse_rows", "seed": seed, "rounds": rounds, "row_width": WIDTH, "results": results}


def _step(optimizer: Any, rows: int, count: int, seed: int, dense: bool) -> Callable[[], None]:
    table = keras.Variable(np.zeros((rows, WIDTH), "float32"))
    optimizer.build([table])
    rng = np.random.default_rng(seed)
    indices = rng.integers(0, rows, count)
    values = rng.normal(size=(count, WIDTH)).astype("float32")
    engine = importlib.import_module("keras_neural_opt.benchmarks._sparse_rows_tensorflow")
    apply = engine.compiled(lambda gradient: optimizer.apply([gradient], [table]))
    gradient = engine.row_gradient(values, indices, (rows, WIDTH))

    def step() -> None:
        apply(native.dense([gradient], [table])[0] if dense else gradient)
        engine.wait(table)

    return step
