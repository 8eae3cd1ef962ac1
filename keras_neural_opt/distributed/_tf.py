"""Collectives of `tf.distribute`, for a `DistributedOptimizer`."""

import itertools
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_neural_opt.compression import Transport

# Of the collectives that no strategy has; far from the keys that strategies give.
_GROUP = 770_001
_instances = itertools.count(_GROUP + 1)
_BYTES_OF_WORD = 4


class ReplicaTransport(Transport):
    """The replicas of a strategy, inside of its `run`."""

    def __init__(self) -> None:
        super().__init__()
        self._context = tf.distribute.get_replica_context()
        self._strategy = self._context.strategy
        self.size = self._strategy.num_replicas_in_sync
        rank = self._context.replica_id_in_sync_group
        known = tf.get_static_value(rank)
        self.rank = rank if known is None else int(known)

    def _sum(self, x: Any) -> Any:
        return self._context.all_reduce(tf.distribute.ReduceOp.SUM, x)

    def _gather(self, x: Any) -> Any:
        words, count = _as_words(tf.reshape(x, (1, -1)))
        found = self._context.all_gather(words, axis=0)
        return tf.reshape(_from_words(found, count, x.dtype), (self.size, *x.shape))

    def _exchange(self, x: Any) -> Any:
        words, count = _as_words(tf.reshape(x, (self.size, -1)))
        if _is_multi_worker(self._strategy):
            found = tf.raw_ops.CollectiveAllToAllV2(
                input=words,
                group_size=self.size,
                group_key=_GROUP,
                instance_key=next(_instances),
                ordering_token=[],
                timeout_seconds=self._strategy.extended._communication_options.timeout_seconds or 0,
            )
        else:
            # Replicas of one process have no network between them.
            found = self._context.all_gather(words[None], axis=0)[:, self.rank]
        return tf.reshape(_from_words(found, count, x.dtype), x.shape)


def _is_multi_worker(strategy: Any) -> bool:
    return bool(getattr(strategy.extended, "_num_workers", 1) > 1)


def _as_words(rows: Any) -> tuple[Any, int]:
    """Return rows as int32, the dtype that every collective has, and how many elements they had."""
    count, size = rows.shape[1], rows.dtype.size
    if size == _BYTES_OF_WORD:
        return tf.bitcast(rows, tf.int32), count
    each = _BYTES_OF_WORD // size
    padded = tf.pad(rows, [[0, 0], [0, -count % each]])
    return tf.bitcast(tf.reshape(padded, (rows.shape[0], -1, each)), tf.int32), count


def _from_words(words: Any, count: int, dtype: Any) -> Any:
    rows = tf.bitcast(words, dtype)
    return rows if dtype.size == _BYTES_OF_WORD else tf.reshape(rows, (rows.shape[0], -1))[:, :count]


def workers() -> int:
    """Return the number of workers that train together."""
    return int(tf.distribute.get_strategy().num_replicas_in_sync)


def transport() -> Transport:
    """Return the way to the other replicas."""
    return ReplicaTransport() if workers() > 1 else Transport()


def reduces_itself(optimizer: Any) -> bool:
    """Whether gradients are reduced where the optimizer gets them: here they are."""
    return True


def factor() -> float:
    """Return what gradients are multiplied by to be those of a worker's own mean loss: Keras has divided that."""
    return float(workers())


def add_state(optimizer: Any, name: str, shape: tuple[int, ...], initializer: Any, local: bool) -> Any:
    """Return a new variable of the optimizer, of which each replica has its own."""
    variable = keras.Variable(
        initializer,
        shape=shape,
        dtype="float32",
        trainable=False,
        synchronization="on_read",
        aggregation="sum" if local else "mean",
        name=name,
    )
    optimizer._track_variable(variable)
    return variable


def total(variable: Any) -> np.ndarray:
    """Return the sum of all replicas' values; all workers must ask."""
    return np.asarray(variable.numpy())


def shared(value: np.ndarray) -> np.ndarray:
    """Return a sum as it is: where a variable is assigned on all replicas, the strategy divides."""
    return value


def begin_alike(variables: Sequence[Any]) -> None:
    """Do nothing: a strategy begins with the values of the first worker."""


def distribute(model: Any) -> None:
    """Do nothing: Keras' own train step will do."""
