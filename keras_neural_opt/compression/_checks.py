"""Checks of arguments that several compressors have."""

from typing import Any

from keras_neural_opt._core.arguments import Argument, integer
from keras_neural_opt.compression._compressor import Compressor


def multiple_of(value: Any, factor: int) -> Argument:
    """A positive multiple of a number, such as the elements that fill whole words."""

    def convert(given: Any) -> int:
        number: int = integer(given, factor).convert(given)
        if number % factor:
            raise ValueError
        return number

    return Argument(value, f"a positive multiple of {factor}", convert)


def instance_of(value: Any, kind: type, rule: str) -> Argument:
    """An object of a class, or of one made of it."""

    def convert(given: Any) -> Any:
        if not isinstance(given, kind):
            raise ValueError
        return given

    return Argument(value, rule, convert)


def without_momentum(value: Any) -> Argument:
    """A compressor that leaves the momentum to the optimizer, so that it may see only a part of the gradients."""

    def convert(given: Any) -> Compressor:
        compressor: Compressor = inner_compressor(given).convert(given)
        if compressor.has_momentum:
            raise ValueError
        return compressor

    return Argument(value, "a compressor without momentum", convert)


def inner_compressor(value: Any) -> Argument:
    """A compressor that another one is put around."""
    return instance_of(value, Compressor, "a compressor")
