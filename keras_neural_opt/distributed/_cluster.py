"""The cluster that this process belongs to, and the engine that connects it."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Cluster:
    """Which process of how many this one is.

    Args:
        rank: The number of this process, from 0.
        size: How many processes there are.

    Example:
        >>> import keras_neural_opt as kno
        >>> cluster = kno.distributed.Cluster(rank=1, size=4)
        >>> list(range(10))[cluster.rank :: cluster.size]
        [1, 5, 9]
    """

    rank: int
    size: int


ALONE = Cluster(rank=0, size=1)


@dataclass
class _Joined:
    """What `initialize` started: a process joins one cluster and never leaves it."""

    settings: Any = None
    cluster: Cluster = ALONE
    engine: Any = None


joined = _Joined()


def cluster() -> Cluster:
    """Return the cluster that `initialize` made this process a part of, or one of this process alone.

    Returns:
        A `Cluster`.

    Example:
        >>> import keras_neural_opt as kno
        >>> kno.distributed.cluster()
        Cluster(rank=0, size=1)
    """
    return joined.cluster


def barrier() -> None:
    """Wait until every process of the cluster is here; a process alone goes on.

    On TensorFlow it is to be called outside of `tf.function` and of the strategy's `run`.

    Example:
        >>> import keras_neural_opt as kno
        >>> kno.distributed.barrier()
    """
    if joined.cluster.size > 1:
        joined.engine.barrier()
