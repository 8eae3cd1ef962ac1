"""What lets `fit` run on several TensorFlow workers: Keras 3 takes their values for tensors (keras#20585)."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import tensorflow as tf
from keras.src import tree
from keras.src.backend.tensorflow import trainer

_FAILURES = (TypeError, ValueError, tf.errors.InvalidArgumentError)


def repair_fit() -> None:
    """Put repaired functions where Keras' own fail on several workers; where those do not fail, they stay in use."""
    if not hasattr(trainer.reduce_per_replica, "__wrapped__"):
        trainer.reduce_per_replica = _falling_back(trainer.reduce_per_replica, _reduce)
        build = trainer.TensorFlowTrainer._maybe_symbolic_build
        trainer.TensorFlowTrainer._maybe_symbolic_build = _falling_back(build, _build)


def _falling_back(own: Callable[..., Any], repaired: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(own)
    def run(*arguments: Any, **named: Any) -> Any:
        if not trainer._collective_all_reduce_multi_worker(tf.distribute.get_strategy()):
            return own(*arguments, **named)
        try:
            return own(*arguments, **named)
        except _FAILURES:
            return repaired(*arguments, **named)

    return run


def _reduce(values: Any, strategy: Any, reduction: str) -> Any:
    """Return the mean or the sum of each value over all replicas of all workers."""
    reduction = "mean" if reduction == "auto" else reduction
    if reduction not in ("mean", "sum"):
        raise ValueError(f"values of several workers have no {reduction!r}")
    return tree.map_structure(lambda v: strategy.reduce(reduction.upper(), v, axis=None), values)


def _build(model: Any, iterator: Any = None, data_batch: Any = None) -> None:
    """Build the model by a batch of this worker."""
    if iterator is not None:
        # Not by the epoch's own iterator: Keras has begun the epoch where it failed, which no data begins twice.
        batch = next(iter(iterator._get_iterator()))
        local = model.distribute_strategy.experimental_local_results
        data_batch = tree.map_structure(lambda v: local(v)[0], batch)
    with model.distribute_strategy.scope():
        model._symbolic_build(data_batch=data_batch)
