"""Nested lists, tuples and dictionaries of arrays as JSON and a flat list of arrays, and back."""

from typing import Any

import numpy as np


def unpack(nested: Any) -> tuple[Any, list[np.ndarray]]:
    """Return the structure, in which numbers stand for arrays, and the arrays.

    Raises:
        ValueError: A part is neither a list, a tuple, a dictionary with text keys nor an array of numbers.
    """
    arrays: list[np.ndarray] = []

    def describe(part: Any) -> Any:
        if isinstance(part, dict):
            if not all(isinstance(key, str) for key in part):
                raise ValueError(f"weights must have text as keys to be saved; received {list(part)!r}")
            return {"dict": {key: describe(value) for key, value in part.items()}}
        if isinstance(part, (list, tuple)):
            if type(part) not in (list, tuple):
                raise ValueError(
                    f"weights must be in plain lists and tuples to be saved; received {type(part).__name__}"
                )
            return {type(part).__name__: [describe(value) for value in part]}
        array = np.asarray(part)
        if array.dtype.kind not in "fiub":
            raise ValueError(f"weights must be arrays of numbers to be saved; received {part!r}")
        arrays.append(array)
        return len(arrays) - 1

    return describe(nested), arrays


def pack(structure: Any, arrays: list[np.ndarray]) -> Any:
    """Return what `unpack` took apart.

    Raises:
        ValueError: Structure and arrays do not belong together.
    """
    used: list[int] = []

    def build(part: Any) -> Any:
        if isinstance(part, int):
            used.append(part)
            return arrays[part]
        ((kind, content),) = part.items()
        if kind == "dict":
            return {key: build(value) for key, value in content.items()}
        return {"list": list, "tuple": tuple}[kind](build(value) for value in content)

    nested = build(structure)
    if used != list(range(len(arrays))):
        raise ValueError(f"its structure names {len(used)} weights and it has {len(arrays)}")
    return nested
