"""What a model's reductions cost on this link, measured beside the training, which it leaves as it was."""

import math
import statistics
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from keras import ops

from keras_neural_opt.compression import Transport
from keras_neural_opt.distributed._engine import engine
from keras_neural_opt.distributed._optimizer import DistributedOptimizer

# Compilation, and what an engine connects when it first communicates.
_WARMUP = 2
# Of the step that is rehearsed: far behind every warm-up.
_LATE = 1 << 30


def reduction_times(optimizer: DistributedOptimizer, rounds: int) -> dict[str, float]:
    """Return the seconds that a reduction takes: `float32` and, where there is a compressor, `compressed`.

    The medians of as many rounds, in which both take turns, as the mean over all processes: all get the same.

    Args:
        optimizer: One that is built.
        rounds: How many reductions of each kind are timed.
    """
    kinds = {"compressed": True, "float32": False} if optimizer.compression else {"float32": False}
    reductions = {name: _reduction(optimizer, compress) for name, compress in kinds.items()}
    seconds: dict[str, list[float]] = {name: [] for name in kinds}
    order = deque(kinds)
    for _ in range(_WARMUP + rounds):
        order.rotate(-1)  # nobody always comes after the same one
        for name in order:
            started = time.perf_counter()
            reductions[name]()
            seconds[name].append(time.perf_counter() - started)
    medians = [statistics.median(seconds[name][_WARMUP:]) for name in kinds]
    return dict(zip(kinds, engine.mean_of(medians), strict=True))


def _reduction(optimizer: DistributedOptimizer, compress: bool) -> Callable[[], Any]:
    """Return what reduces the weights, which have the shapes of gradients, as a step does, and keeps nothing."""
    buckets = optimizer._buckets
    weights = [v for bucket in buckets for v in bucket.variables]

    def reduce(transport: Transport, values: list[Any]) -> Any:
        own, rest = values[: len(weights)], iter(values[len(weights) :])
        states = [[next(rest) for _ in bucket.state] for bucket in buckets]
        here = [(v, True) for v in weights] if engine.GRADIENTS_MAY_DIFFER and transport.size > 1 else None
        late = ops.convert_to_tensor(_LATE, "int32")
        last = optimizer.accumulation_steps  # the call in which gradients are sent
        calls = None if last is None else ops.convert_to_tensor(last, "int32")
        means, new, _ = optimizer.reduced(own, weights, states, transport, late, calls, compress, here)
        return means, new

    kept = [pair for bucket in buckets for pair in zip(bucket.state, bucket.kept, strict=True)]
    local = [*(False for _ in weights), *(each.local for _, each in kept)]
    return engine.together(reduce, [*weights, *(v for v, _ in kept)], local)


def residual_norm(optimizer: DistributedOptimizer) -> Callable[[], float | None]:
    """Return what measures what waits to be sent: its length, as the root of the mean square over all workers.

    Where nothing of the kind is kept it returns None. All workers must call it.

    Args:
        optimizer: One that is built.
    """
    kept = [pair for bucket in optimizer._buckets for pair in zip(bucket.state, bucket.kept, strict=True)]
    waiting = [v for v, each in kept if each.local and each.name == "residual"]
    if not waiting:
        return lambda: None

    def squares(transport: Transport, values: list[Any]) -> Any:
        return transport.sum(sum(ops.sum(ops.square(x)) for x in values))

    total, workers = engine.together(squares, waiting, [True] * len(waiting)), engine.workers()
    return lambda: math.sqrt(float(ops.convert_to_numpy(total())) / workers)


def raw_bytes(optimizer: DistributedOptimizer) -> float:
    """Return the bytes that a worker sends in a step for gradients in float32.

    Args:
        optimizer: One that is built.
    """
    workers = engine.workers()
    return 2 * (workers - 1) / workers * 4 * sum(bucket.layout.size for bucket in optimizer._buckets)
