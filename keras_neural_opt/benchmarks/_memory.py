"""How much more resident memory a step needs than it starts with, on Linux."""

import ctypes
import gc
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from keras_neural_opt._core import memory


def peak_megabytes(step: Callable[[], Any]) -> float | None:
    """Return by how much the resident memory of this process rises at most during `step`; None where it is not told."""
    gc.collect()
    with suppress(OSError, AttributeError):
        # Memory that was freed, but not returned to the system, would hide what the step allocates.
        ctypes.CDLL(None).malloc_trim(0)
    if not memory.reset_peak():
        return None
    before = memory.resident()
    step()
    return round((memory.peak() - before) / (1 << 20), 1)
