"""Collectives of `tf.distribute`, for a `DistributedOptimizer`."""

import zlib
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_neural_opt._core.backend import native
from keras_neural_opt.compression import Transport
from keras_neural_opt.distributed._repair_tf import repair_fit

REDUCES_HERE = True
# All workers run the same graph.
GRADIENTS_MAY_DIFFER = False

# Of our collectives; far from the keys that strategies give.
_GROUP = 770_001
_BYTES_OF_WORD = 4


class _OfStrategy(Transport):
    """The replicas of a strategy, inside of its `run`."""

    def __init__(self) -> None:
        super().__init__()
        self._context = tf.distribute.get_replica_context()
        self.size = self._context.strategy.num_replicas_in_sync
        rank = self._context.replica_id_in_sync_group
        known = tf.get_static_value(rank)
        self.rank = rank if known is None else int(known)

    def _gather(self, x: Any) -> Any:
        words, count = _as_words(tf.reshape(x, (1, -1)))
        found = tf.reshape(self._gather_words(words), (self.size, words.shape[1]))
        return tf.reshape(_from_words(found, count, x.dtype), (self.size, *x.shape))

    def _exchange(self, x: Any) -> Any:
        words, count = _as_words(tf.reshape(x, (self.size, -1)))
        found = tf.reshape(self._exchange_words(words), words.shape)
        return tf.reshape(_from_words(found, count, x.dtype), x.shape)

    def _gather_words(self, words: Any) -> Any:
        raise NotImplementedError

    def _exchange_words(self, words: Any) -> Any:
        raise NotImplementedError


class ReplicaTransport(_OfStrategy):
    """The replicas of one process, between which there is no network."""

    def _sum(self, x: Any) -> Any:
        return self._context.all_reduce(tf.distribute.ReduceOp.SUM, x)

    def _gather_words(self, words: Any) -> Any:
        return self._context.all_gather(words, axis=0)

    def _exchange_words(self, words: Any) -> Any:
        everything = self._context.all_gather(words[None], axis=0)
        return tf.reshape(everything, (self.size, *words.shape))[:, self.rank]

    def choose(self, condition: Any, yes: Callable[[], Any], no: Callable[[], Any]) -> Any:
        """Return `yes()` or `no()`; computes both, since these replicas cannot meet in a conditional."""
        before, self.sent = self.sent, 0
        first, by_first, self.sent = yes(), self.sent, 0
        then, by_then, self.sent = no(), self.sent, before
        self._count(tf.where(condition, *(tf.cast(x, tf.float32) for x in (by_first, by_then))))
        return tf.nest.map_structure(lambda a, b: tf.where(condition, a, b), first, then)


class WorkerTransport(_OfStrategy):
    """The replicas of several processes. Their collectives are plain operations, which conditionals may hold."""

    def __init__(self) -> None:
        super().__init__()
        self._calls = 0

    def _sum(self, x: Any) -> Any:
        return tf.raw_ops.CollectiveReduceV2(input=x, merge_op="Add", final_op="Id", **self._meeting("sum", x))

    def _gather_words(self, words: Any) -> Any:
        return tf.raw_ops.CollectiveGatherV2(input=words, **self._meeting("gather", words))

    def _exchange_words(self, words: Any) -> Any:
        return tf.raw_ops.CollectiveAllToAllV2(input=words, **self._meeting("exchange", words))

    def _meeting(self, what: str, x: Any) -> dict[str, Any]:
        """Return how the replicas of one call find each other: by a number that each of them comes to by itself.

        It tells dtypes and shapes apart: TensorFlow aborts when a number is used again for other ones.
        """
        self._calls += 1
        number = zlib.crc32(f"{what} {self._calls} {x.dtype.name} {x.shape}".encode()) >> 1
        limit = self._context.strategy.extended._communication_options.timeout_seconds
        return {
            "group_size": self.size,
            "group_key": _GROUP,
            "instance_key": number,
            "ordering_token": [],
            "timeout_seconds": limit or 0,
        }


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
    if workers() == 1:
        return Transport()
    return WorkerTransport() if _is_multi_worker(tf.distribute.get_strategy()) else ReplicaTransport()


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
        aggregation="mean",
        name=name,
    )
    optimizer._track_variable(variable)
    return variable


def mean(variable: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Return the mean of all replicas' values; all workers must ask."""
    return np.asarray(variable.numpy())


def scope(model: Any) -> AbstractContextManager[Any]:
    """Return the context in which a model's workers are known: that of its strategy."""
    found: AbstractContextManager[Any] = model.distribute_strategy.scope()
    return found


def together(function: Callable[..., Any], variables: Sequence[Any], local: Sequence[bool]) -> Callable[[], Any]:
    """Return what runs `function(transport, values)` on every worker, as in a step, and waits; all must call it."""
    strategy = tf.distribute.get_strategy()

    def on_one_replica() -> Any:
        found = function(transport(), [native.read(v) for v in variables])
        flat = [tf.reshape(x, (-1,)) for x in tf.nest.flatten(found)]
        return found, tf.concat([tf.cast(x[:1], "float32") for x in flat], 0)

    # Traced here: TensorFlow warns of many functions that are each called a few times.
    compiled = tf.function(lambda: strategy.run(on_one_replica)).get_concrete_function()

    def run() -> Any:
        own = tf.nest.map_structure(lambda x: strategy.experimental_local_results(x)[0], compiled())
        own[1].numpy()  # waits for the device: it has something of each result
        return own[0]

    return run


def trace_again(model: Any) -> None:
    """Let a model's step be made anew: something that it has looked at has changed."""
    model.make_train_function(force=True)


def mean_of(numbers: Sequence[float]) -> list[float]:
    """Return the means of all processes' numbers, the same everywhere; all must ask."""
    strategy = tf.distribute.get_strategy()
    given = tf.constant(numbers, "float32")
    mean = tf.function(lambda x: strategy.reduce("MEAN", strategy.run(tf.identity, (x,)), axis=None))
    return [float(x) for x in mean.get_concrete_function(given)(given)]


def begin_alike(variables: Sequence[Any]) -> None:
    """Do nothing: a strategy begins with the values of the first worker."""


def part() -> tuple[int, int]:
    """Return that every process gives whole batches: the strategy divides them."""
    return 0, 1


def distribute(model: Any) -> None:
    """Let `fit` run on several workers: beyond that, Keras' own train step will do."""
    if _is_multi_worker(tf.distribute.get_strategy()):
        repair_fit()
