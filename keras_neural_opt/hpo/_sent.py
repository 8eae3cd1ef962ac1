"""What a search sends to its own workers, and why something cannot be sent."""

import types
from collections.abc import Mapping
from multiprocessing.reduction import ForkingPickler
from multiprocessing.spawn import get_preparation_data
from typing import Any


class _Sender(ForkingPickler):
    def reducer_override(self, thing: Any) -> Any:
        is_named = isinstance(thing, (type, types.FunctionType))
        if is_named and thing.__module__ == "__main__" and not _main_is_a_file():
            raise TypeError(f"{thing.__qualname__} is defined in a notebook or at a prompt")
        return NotImplemented


def sent(message: Any, parts: Mapping[str, Any]) -> bytes:
    """Return a message as bytes, which `Connection.recv` of a worker reads.

    Args:
        message: Anything.
        parts: Parts of it by what a user calls them.

    Raises:
        ValueError: A part cannot be sent.
    """
    try:
        return bytes(_Sender.dumps(message))
    except Exception:
        for name, part in parts.items():
            _refuse(name, part)
        raise


def is_sendable(thing: Any) -> bool:
    """Whether a thing comes out at the other end."""
    try:
        ForkingPickler.loads(ForkingPickler.dumps(thing))
    except Exception:
        return False
    return True


def _refuse(name: str, part: Any) -> None:
    try:
        _Sender.dumps(part)
    except Exception as error:
        raise ValueError(
            f"OptunaTuner.search.workers must be None where {name} cannot be sent to another process;"
            f" received {part!r}, of which: {error}. Put its functions and classes into a module that can be imported,"
            " or start workers with `keras-neural-opt worker SCRIPT:build`"
        ) from None


def _main_is_a_file() -> bool:
    # A new process runs the file of the program as a module; where there is none it lacks what was defined there.
    return any(key.startswith("init_main") for key in get_preparation_data("worker"))
