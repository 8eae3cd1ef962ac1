"""Compressors that write every element down in fewer bits."""

from collections.abc import Callable
from typing import Any

from keras import ops

from keras_neural_opt.compression._compressor import Compressor, Reduced
from keras_neural_opt.compression._layout import Layout
from keras_neural_opt.compression._noise import uniform
from keras_neural_opt.compression._transport import Transport

Draw = Callable[[tuple[int, ...]], Any]


class Codec(Compressor):
    """Base class: a code of vectors, in which workers exchange them in two phases.

    Every worker gets its part of everyone's vector, encoded, and makes the mean of these parts; it encodes the mean
    again and gives it to all. So a worker sends twice the bytes of one encoded vector, however many workers there are,
    where plain gathering sends it once to each. The mean has the error of the code twice.

    A subclass overrides `encode` and `decode`, and sets `block`: the elements that are encoded together.

    Example:
        >>> import keras
        >>> from keras_neural_opt import compression
        >>> int8 = compression.Int8()
        >>> x = keras.ops.linspace(-1.0, 1.0, 256)[None]
        >>> payload = int8.encode(x)
        >>> float(keras.ops.max(abs(int8.decode(payload) - x))) < 0.5 / 127
        True
    """

    block: int = 1
    seed: int = 0

    def encode(self, x: Any, draw: Draw | None = None) -> tuple[Any, ...]:
        """Return what is sent of vectors.

        Args:
            x: Vectors, as the rows of a float32 tensor, their length a multiple of `block`.
            draw: Returns uniform numbers from [0, 1) of a shape; needed by codes that round at random.

        Returns:
            Tensors whose first axis is that of the rows.
        """
        raise NotImplementedError(f"{type(self).__name__} must override encode(self, x, draw)")

    def decode(self, payload: tuple[Any, ...]) -> Any:
        """Return the vectors that were encoded, more or less.

        Args:
            payload: As `encode` returned it.
        """
        raise NotImplementedError(f"{type(self).__name__} must override decode(self, payload)")

    def reduce(self, x: Any, layout: Layout, state: list[Any], transport: Transport, step: Any) -> Reduced:
        """Return roughly the mean of all workers' vectors; see `Compressor.reduce`."""
        workers, length = transport.size, x.shape[0]
        if workers == 1:
            return Reduced(x, lambda: ops.zeros_like(x), state)
        parts = self._parts(x, workers)
        sent = self.encode(parts, self._draw(transport, step, 0))
        received = self.decode(tuple(map(transport.exchange, sent)))
        own = ops.mean(received, axis=0, keepdims=True)
        again = self.encode(own, self._draw(transport, step, 1))
        mean = self.decode(tuple(transport.gather(part[0]) for part in again))

        def lost() -> Any:
            # This worker alone knows what the second phase does to its part, and so owes it for all.
            second = workers * (own - self.decode(again))
            mine = ops.cast(ops.arange(workers)[:, None] == transport.rank, "float32")
            return ops.reshape(parts - self.decode(sent) + mine * second, (-1,))[:length]

        return Reduced(ops.reshape(mean, (-1,))[:length], lost, state)

    def _parts(self, x: Any, workers: int) -> Any:
        part = -(-x.shape[0] // (workers * self.block)) * self.block
        return ops.reshape(ops.pad(x, (0, workers * part - x.shape[0])), (workers, part))

    def _draw(self, transport: Transport, step: Any, use: int) -> Draw:
        return lambda shape: uniform(shape, self.seed, step, transport.rank, use)


def in_blocks(x: Any, block: int) -> Any:
    """Return rows cut into blocks, along a new last axis.

    Args:
        x: Rows, their length a multiple of `block`.
        block: The elements of a block.
    """
    return ops.reshape(x, (x.shape[0], -1, block))
