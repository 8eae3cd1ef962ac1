"""Workers that are threads of one process, to try compressors without a cluster."""

import threading
from collections.abc import Sequence
from typing import Any

from keras import ops

from keras_neural_opt.compression._compressor import Compressor
from keras_neural_opt.compression._layout import Layout
from keras_neural_opt.compression._transport import Transport


class SimulatedTransport(Transport):
    """One of several workers, each a thread, which meet in each collective.

    Args:
        rank: The number of this worker.
        meeting: A barrier for all of them.
        table: A list with a place for each, which all share.
    """

    def __init__(self, rank: int, meeting: threading.Barrier, table: list[Any]) -> None:
        super().__init__()
        self.rank, self.size = rank, len(table)
        self._meeting, self._table = meeting, table

    def _all(self, x: Any) -> list[Any]:
        self._table[self.rank] = x
        self._meeting.wait()
        found = list(self._table)
        self._meeting.wait()
        return found

    def _sum(self, x: Any) -> Any:
        first, *others = self._all(x)
        return sum(others, start=first)

    def _gather(self, x: Any) -> Any:
        return ops.stack(self._all(x))

    def _exchange(self, x: Any) -> Any:
        return ops.stack([rows[self.rank] for rows in self._all(x)])


def simulate(
    compression: Compressor, gradients: Sequence[Sequence[Any]], states: list[list[Any]] | None = None, step: int = 0
) -> tuple[list[Any], list[list[Any]]]:
    """Reduce the gradients of several workers in this process.

    Args:
        compression: The compressor.
        gradients: A list a worker, each of as many tensors of the same shapes.
        states: What the last call returned, or None before the first step.
        step: The number of the step, from 0.

    Returns:
        The mean gradients, which are the same on all workers, and the states of the workers.

    Raises:
        ValueError: Shapes differ, or there are no workers.
        RuntimeError: Workers have come to different means.

    Example:
        >>> import keras
        >>> from keras_neural_opt import compression
        >>> means, states = compression.simulate(compression.Cast(), [[keras.ops.ones(3)], [-keras.ops.ones(3)]])
        >>> float(means[0][0])
        0.0
    """
    shapes = {tuple(tuple(x.shape) for x in tensors) for tensors in gradients}
    if len(shapes) != 1:
        raise ValueError("simulate.gradients must be lists of tensors of the same shapes, one list or more")
    layout = Layout(shapes.pop())
    vectors = [ops.cast(layout.join([ops.convert_to_tensor(x) for x in tensors]), "float32") for tensors in gradients]
    if states is None:
        states = [first_state(compression, layout) for _ in vectors]
    meeting, table = threading.Barrier(len(vectors)), [None] * len(vectors)
    found: list[Any] = [None] * len(vectors)

    def work(rank: int) -> None:
        try:
            transport = SimulatedTransport(rank, meeting, table)
            found[rank] = compression.reduce(vectors[rank], layout, states[rank], transport, step)
        except BaseException as error:
            found[rank] = error
            meeting.abort()

    threads = [threading.Thread(target=work, args=(rank,)) for rank in range(len(vectors))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    errors = [x for x in found if isinstance(x, BaseException)]
    for error in sorted(errors, key=lambda x: isinstance(x, threading.BrokenBarrierError)):
        raise error
    for other in found[1:]:
        if not bool(ops.all(ops.equal(other.mean, found[0].mean))):
            raise RuntimeError(f"{compression!r} has come to different means on different workers")
    return layout.split(found[0].mean), [x.state for x in found]


def first_state(compression: Compressor, layout: Layout) -> list[Any]:
    """Return what a compressor keeps before the first step.

    Args:
        compression: The compressor.
        layout: The shapes of the bucket's tensors.
    """
    kept = compression.state(layout)
    return [ops.convert_to_tensor(s.value()) if s.value else ops.zeros(s.shape, "float32") for s in kept]
