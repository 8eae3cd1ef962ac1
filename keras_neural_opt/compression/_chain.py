"""What one compressor sends, in the code of another."""

from collections.abc import Callable
from typing import Any

import keras

from keras_neural_opt._core import registry
from keras_neural_opt._core.arguments import Argument
from keras_neural_opt.compression._around import Around
from keras_neural_opt.compression._checks import inner_compressor, instance_of
from keras_neural_opt.compression._codec import Codec
from keras_neural_opt.compression._compressor import Compressor, Reduced
from keras_neural_opt.compression._layout import Layout
from keras_neural_opt.compression._noise import uniform
from keras_neural_opt.compression._transport import Transport


@registry.export
class Chain(Around):
    """Sends the floats that one compressor sends, such as values or thin matrices, in the code of another.

    Args:
        compression: `TopK`, `RandomK`, `PowerSGD` or another that is no code itself.
        code: `Cast`, `Int8` or another code.

    Raises:
        ValueError: An argument breaks its rule.

    Example:
        >>> from keras_neural_opt import compression
        >>> chain = compression.Chain(compression.TopK(0.01), compression.Cast("float16"))
    """

    compression: Compressor
    code: Codec

    def __init__(self, compression: Compressor, code: Codec) -> None:
        self.set_hyperparameters(
            compression=_no_code(compression), code=instance_of(code, Codec, "a code, such as Cast or Int8")
        )

    @property
    def unbiased(self) -> bool:  # type: ignore[override]
        """Whether both are."""
        return self.compression.unbiased and self.code.unbiased

    def reduce(self, x: Any, layout: Layout, state: list[Any], transport: Transport, step: Any) -> Reduced:
        """Return roughly the mean of all workers' vectors; see `Compressor.reduce`."""
        return self.compression.reduce(x, layout, state, _Encoded(transport, self.code, step), step)


class _Encoded(Transport):
    """A transport on which floats are encoded."""

    def __init__(self, transport: Transport, code: Codec, step: Any) -> None:
        self._transport, self._code, self._step = transport, code, step
        self.size, self.rank = transport.size, transport.rank
        self._uses = 1

    @property
    def sent(self) -> Any:
        return self._transport.sent

    def mean(self, x: Any) -> tuple[Any, Callable[[], Any]]:
        found = self._code.reduce(x, Layout((tuple(x.shape),)), [], self._transport, self._step)
        return found.mean, found.lost

    def gather(self, x: Any) -> Any:
        if self.size == 1 or not keras.backend.is_float_dtype(keras.backend.standardize_dtype(x.dtype)):
            return self._transport.gather(x)
        self._uses += 1
        payload = self._code.encode(self._code._parts(x, 1), self._draw)
        return self._code.decode(tuple(self._transport.gather(part[0]) for part in payload))[:, : x.shape[0]]

    def _draw(self, shape: tuple[int, ...]) -> Any:
        return uniform(shape, self._code.seed, self._step, self.rank, self._uses)

    def choose(self, condition: Any, yes: Callable[[], Any], no: Callable[[], Any]) -> Any:
        return self._transport.choose(condition, yes, no)


def _no_code(value: Any) -> Argument:
    def convert(given: Any) -> Compressor:
        if isinstance(given, Codec):
            raise ValueError
        compressor: Compressor = inner_compressor(given).convert(given)
        return compressor

    return Argument(value, "a compressor that is no code, such as TopK", convert)
