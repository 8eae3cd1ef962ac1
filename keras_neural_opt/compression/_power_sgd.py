"""Matrices of low rank."""

from typing import Any

import numpy as np
from keras import ops

from keras_neural_opt._core import registry
from keras_neural_opt._core.arguments import integer
from keras_neural_opt.compression._compressor import Compressor, Reduced, State
from keras_neural_opt.compression._layout import Layout
from keras_neural_opt.compression._transport import Transport

_TINY = 1e-30


@registry.export
class PowerSGD(Compressor):
    r"""Sends two thin matrices whose product is near the gradient (Vogels et al., 2019).

    One step of the power method a call, begun where the last one ended:

    .. math::
        P = \mathrm{mean}_w\, M_w Q, \qquad \hat P = \mathrm{orthogonal}(P), \qquad Q = \mathrm{mean}_w\, M_w^\top
        \hat P, \qquad \hat M = \hat P Q^\top

    Tensors of two or more axes are matrices, of which the last axis makes the columns; vectors, and matrices for which
    two thin ones are not smaller, are sent as they are. Sums are made on the way, so that bytes do not grow with the
    number of workers. It needs error feedback, which `DistributedOptimizer` puts around it.

    Args:
        rank: The number of columns of the thin matrices, >= 1. Defaults to 4.
        seed: That of the first :math:`Q`, an integer from 0 to 2**31 - 1. Defaults to 0.

    Raises:
        ValueError: An argument breaks its rule.

    Example:
        >>> from keras_neural_opt import compression
        >>> compression.PowerSGD(rank=2)
        PowerSGD(rank=2, seed=0)

    References:
        Vogels, Karimireddy, Jaggi, PowerSGD: Practical Low-Rank Gradient Compression for Distributed Optimization,
        2019, https://arxiv.org/abs/1905.13727
    """

    rank: int
    seed: int

    def __init__(self, rank: int = 4, seed: int = 0) -> None:
        self.set_hyperparameters(rank=integer(rank, 1), seed=integer(seed, 0, 2**31 - 1))

    def state(self, layout: Layout) -> list[State]:
        """Return the matrices :math:`Q` of all matrices, in one vector; the same on all workers."""
        size = self._thin(layout, 1).size
        if not size:
            return []
        return [State("subspace", (size,), False, lambda: self._first(size))]

    def _first(self, size: int) -> np.ndarray:
        return np.random.default_rng(self.seed).standard_normal(size).astype("float32")

    def reduce(self, x: Any, layout: Layout, state: list[Any], transport: Transport, step: Any) -> Reduced:
        """Return a mean of low rank; see `Compressor.reduce`."""
        thin = [self._is_sent_thin(shape) for shape in layout.shapes]
        parts = layout.split(x)
        matrices = [ops.reshape(m, (-1, m.shape[-1])) for m, is_thin in zip(parts, thin, strict=True) if is_thin]
        plain = [m for m, is_thin in zip(parts, thin, strict=True) if not is_thin]
        subspaces = [_with_unit_columns(q) for q in self._thin(layout, 1).split(state[0])] if matrices else []

        first = Layout(tuple(tuple(m.shape) for m in plain) + self._thin(layout, 0).shapes)
        sent = [*plain, *(ops.matmul(m, q) for m, q in zip(matrices, subspaces, strict=True))]
        mean, lost = transport.mean(first.join(sent))
        received = first.split(mean)
        bases = [_orthogonal(p) for p in received[len(plain) :]]
        own = [ops.matmul(ops.transpose(m), p) for m, p in zip(matrices, bases, strict=True)]
        second = self._thin(layout, 1)
        joined = second.join(own) if own else ops.zeros(0, "float32")
        mean_q, lost_q = transport.mean(joined) if own else (joined, lambda: joined)
        means = second.split(mean_q)

        def merged(plain_parts: list[Any], thin_parts: list[Any]) -> Any:
            rest, low = iter(plain_parts), iter(thin_parts)
            return layout.join([next(low) if is_thin else next(rest) for is_thin in thin])

        def product(qs: list[Any]) -> list[Any]:
            return [ops.matmul(p, ops.transpose(q)) for p, q in zip(bases, qs, strict=True)]

        def what_is_lost() -> Any:
            # Of what is sent as it is, what the way took; of matrices what is outside of the bases.
            taken = second.split(joined - lost_q())
            left = [m - y for m, y in zip(matrices, product(taken), strict=True)]
            return merged(first.split(lost())[: len(plain)], left)

        # A column that has found nothing, as of a gradient of zeros or of a lower rank, could never go on.
        found = [ops.max(ops.absolute(q), axis=0, keepdims=True) > _TINY for q in means]
        kept = [ops.where(is_some, q, old) for is_some, q, old in zip(found, means, subspaces, strict=True)]
        new_state = [second.join(kept)] if own else state
        return Reduced(merged(received[: len(plain)], product(means)), what_is_lost, new_state)

    def _is_sent_thin(self, shape: tuple[int, ...]) -> bool:
        if len(shape) < 2 or not all(shape):
            return False
        rows, columns = int(np.prod(shape[:-1])), shape[-1]
        return self.rank * (rows + columns) < rows * columns

    def _thin(self, layout: Layout, side: int) -> Layout:
        """Return the shapes of the left thin matrices (side 0) or the right ones."""
        sides = [(int(np.prod(s[:-1])), s[-1]) for s in layout.shapes if self._is_sent_thin(s)]
        return Layout(tuple((pair[side], self.rank) for pair in sides))


def _size(x: Any) -> Any:
    return ops.max(ops.absolute(x))


def _with_unit_columns(x: Any) -> Any:
    """Return a matrix with columns of length 1, so that no product of it overflows or vanishes."""
    return x / ops.maximum(ops.sqrt(ops.sum(ops.square(x), axis=0, keepdims=True)), _TINY)


def _orthogonal(x: Any) -> Any:
    """Return orthogonal columns of length 1 with the same span, or 0 where a column adds nothing to it."""
    x = x / ops.maximum(_size(x), _TINY)
    columns: list[Any] = []
    for i in range(x.shape[1]):
        column = x[:, i]
        for _ in range(2):  # once leaves what rounding brought in
            for done in columns:
                column = column - done * ops.sum(done * column)
        norm = ops.sqrt(ops.sum(ops.square(column)))
        columns.append(ops.where(norm > 1e-6, column / ops.maximum(norm, _TINY), ops.zeros_like(column)))
    return ops.stack(columns, axis=1)
