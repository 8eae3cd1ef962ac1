"""Who runs a trial, and whether it still lives."""

import contextlib
import os
import socket
from pathlib import Path
from typing import Any


def this_process() -> dict[str, Any]:
    """Return what tells this process from all others, also from a later one with its number."""
    return {"host": socket.gethostname(), "pid": os.getpid(), "started": _started(os.getpid())}


def pid_of(owner: dict[str, Any] | None) -> int | None:
    """Return the number of an owner that is a process of this machine, or None for others."""
    return None if owner is None or owner.get("host") != socket.gethostname() else int(owner["pid"])


def is_gone(owner: dict[str, Any]) -> bool:
    """Whether a process of this machine has ended; of another machine nobody knows here."""
    pid = pid_of(owner)
    if pid is None:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return _is_zombie(pid) or _started(pid) != owner.get("started")


def _status(pid: int) -> list[str]:
    # What follows the name, which may hold spaces and brackets. Where there is no such file, the number must do.
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return []


def _started(pid: int) -> str | None:
    status = _status(pid)
    return status[19] if len(status) > 19 else None


def _is_zombie(pid: int) -> bool:
    return _status(pid)[:1] == ["Z"]
