"""The collectives of an engine, as compressors use them, and the bytes that they send."""

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from keras_neural_opt._core.backend import native


class Transport:
    """Base class: what one of `size` equal workers can do together with the others.

    An engine overrides `_sum`, `_gather` and `_exchange`, which every worker calls in the same order with tensors of
    the same shapes.

    Attributes:
        size: The number of workers, a Python integer >= 1.
        rank: The number of this one, from 0; an integer, or a tensor inside a compiled step.
        sent: The bytes that this worker has sent, as payloads and not as the network counts them: a number or, after
            a conditional inside a compiled step, a tensor.

    Example:
        >>> import keras
        >>> from keras_neural_opt import compression
        >>> alone = compression.Transport()
        >>> mean, lost = alone.mean(keras.ops.ones(3))
        >>> tuple(mean.shape), alone.sent
        ((3,), 0)
    """

    size: int = 1
    rank: Any = 0

    def __init__(self) -> None:
        self.sent: Any = 0

    def sum(self, x: Any) -> Any:
        """Return the sum of all workers' tensors; every worker sends `2 (N - 1) / N` of its bytes, as in a ring.

        Args:
            x: A tensor of floats, of the same shape everywhere.
        """
        if self.size == 1:
            return x
        self._count(2 * (self.size - 1) / self.size * payload_bytes(x))
        return self._sum(x)

    def gather(self, x: Any) -> Any:
        """Return the tensors of all workers, one after another along a new first axis; sends `N - 1` times its bytes.

        Args:
            x: A tensor of any dtype, of the same shape everywhere.
        """
        if self.size == 1:
            return x[None]
        self._count((self.size - 1) * payload_bytes(x))
        return self._gather(x)

    def exchange(self, x: Any) -> Any:
        """Return what each worker has for this one: row `i` goes to worker `i`; sends `(N - 1) / N` of its bytes.

        Args:
            x: A tensor whose first axis is the worker that a row is for.
        """
        if self.size == 1:
            return x
        self._count((self.size - 1) / self.size * payload_bytes(x))
        return self._exchange(x)

    def mean(self, x: Any) -> tuple[Any, Callable[[], Any]]:
        """Return the mean of all workers' tensors, and a function of what it lacks of this worker's: nothing.

        Args:
            x: A tensor of floats, of the same shape everywhere.
        """
        # Divided first: a sum of float16 numbers may be too large for their mean's dtype.
        return self.sum(x / self.size if self.size > 1 else x), lambda: ops.zeros_like(x)

    def choose(self, condition: Any, yes: Callable[[], Any], no: Callable[[], Any]) -> Any:
        """Return `yes()` or `no()`, in which workers communicate; the condition is the same on every worker.

        Args:
            condition: A boolean, or a boolean tensor.
            yes: Returns a nest of tensors.
            no: Returns a nest of the same shapes and dtypes.
        """

        def counted(branch: Callable[[], Any]) -> Callable[[], Any]:
            def run() -> Any:
                before, self.sent = self.sent, 0
                result = branch()
                sent, self.sent = self.sent, before
                # Branches of a compiled step return tensors, in which JAX' integers count to 2 GiB only.
                return result, ops.cast(sent, "float32")

            return run

        result, sent = native.choose(condition, counted(yes), counted(no))
        self._count(sent)
        return result

    def _count(self, sent: Any) -> None:
        self.sent = self.sent + (round(sent) if isinstance(sent, float) else sent)

    def _sum(self, x: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} must override _sum(self, x)")

    def _gather(self, x: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} must override _gather(self, x)")

    def _exchange(self, x: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} must override _exchange(self, x)")


_BYTES = {"float64": 8, "int64": 8, "float32": 4, "int32": 4, "uint32": 4, "float16": 2, "bfloat16": 2, "uint16": 2}


def payload_bytes(x: Any) -> int:
    """Return the bytes of a tensor's elements.

    Args:
        x: A tensor of known shape.
    """
    size = 1
    for length in x.shape:
        size *= int(length)
    return size * _BYTES.get(keras.backend.standardize_dtype(x.dtype), 1)
