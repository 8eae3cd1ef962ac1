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


def inner_compressor(value: Any) -> Argument:
    """A compressor that another one is put around."""

    def convert(given: Any) -> Compressor:
        if not isinstance(given, Compressor):
            raise ValueError
        return given

    return Argument(value, "a compressor", convert)
