"""How much more resident memory a step needs than it starts with, on Linux."""

import ctypes
import gc
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def peak_megabytes(step: Callable[[], Any]) -> float | None:
    """Return by how much the resident memory of this process rises at most during `step`; None where it is not told."""
    gc.collect()
    with suppress(OSError, AttributeError):
        # Memory that was freed, but not returned to the system, would hide what the step allocates.
        ctypes.CDLL(None).malloc_trim(0)
    try:
        _RESET.write_text("5")  # the highest mark starts again from here
        before = _kilobytes("VmRSS")
        step()
        return round((_kilobytes("VmHWM") - before) / 1024, 1)
    except (OSError, StopIteration):
        return None


def _kilobytes(field: str) -> int:
    lines = _STATUS.read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith(field + ":")))
