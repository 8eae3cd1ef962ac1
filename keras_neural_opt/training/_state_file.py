"""A training's state in a file, without pickled objects: numbers, text, arrays and operations of Keras, nested."""

import io
import json
import os
import zipfile
import zlib
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_neural_opt._core.files import CorruptStateError, write_atomic

_FORMAT = "keras_neural_opt.TrainingState"
_VERSION = 1
_DAMAGE = (
    AttributeError,
    EOFError,
    IndexError,
    KeyError,
    RecursionError,
    TypeError,
    ValueError,
    zipfile.BadZipFile,
    zlib.error,
)


class UnsavableError(TypeError):
    """A value that is neither a number, text, an array, an operation of Keras nor a list or dictionary of these."""


def write_state(path: str | os.PathLike[str], state: dict[str, Any]) -> Path:
    """Write nested values to a file that is whole or not there.

    Raises:
        UnsavableError: A value cannot be written.
    """
    arrays: list[np.ndarray] = []
    manifest = {"format": _FORMAT, "version": _VERSION, "state": _described(state, arrays)}
    buffer = io.BytesIO()
    members: dict[str, Any] = {f"array_{i}": array for i, array in enumerate(arrays)}
    np.savez(buffer, manifest=np.frombuffer(json.dumps(manifest).encode(), np.uint8), **members)
    return write_atomic(path, buffer.getvalue())


def read_state(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return what `write_state` wrote.

    Raises:
        FileNotFoundError: There is no such file.
        CorruptStateError: The file is damaged or is something else.
    """
    content = Path(path).read_bytes()
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            members = dict(archive.items())
        manifest = json.loads(members["manifest"].tobytes())
        if (manifest["format"], manifest["version"]) != (_FORMAT, _VERSION):
            raise ValueError(f"it is {manifest['format']} version {manifest['version']}")
        state: dict[str, Any] = _built(manifest["state"], members)
    except _DAMAGE as error:
        raise CorruptStateError(path, f"is no intact training state ({error})", "Use an earlier one") from error
    return state


def savable(value: Any) -> bool:
    """Whether `write_state` can write a value."""
    try:
        _described(value, [])
    except UnsavableError:
        return False
    return True


def _described(value: Any, arrays: list[np.ndarray]) -> Any:
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, np.generic):
        value = np.asarray(value)
        return {"scalar": _described(value, arrays)["array"]}
    if isinstance(value, np.ndarray) and value.dtype.kind in "fiub":
        arrays.append(value)
        return {"array": len(arrays) - 1}
    # How a callback compares belongs to what it compares.
    name = getattr(value, "__name__", None)
    if isinstance(name, str) and value is getattr(keras.ops, name, None):
        return {"operation": name}
    if type(value) in (list, tuple):
        return {type(value).__name__: [_described(each, arrays) for each in value]}
    if type(value) is dict and all(isinstance(key, str) for key in value):
        return {"dict": {key: _described(each, arrays) for key, each in value.items()}}
    raise UnsavableError(f"{type(value).__name__} cannot be saved: {value!r}")


def _built(described: Any, members: dict[str, np.ndarray]) -> Any:
    if not isinstance(described, dict):
        return described
    ((kind, content),) = described.items()
    if kind == "array":
        return members[f"array_{content}"]
    if kind == "scalar":
        return members[f"array_{content}"][()]
    if kind == "operation":
        return getattr(keras.ops, content)
    if kind == "dict":
        return {key: _built(each, members) for key, each in content.items()}
    return {"list": list, "tuple": tuple}[kind](_built(each, members) for each in content)
