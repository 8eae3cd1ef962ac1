"""The machine's memory: what this process took at most, and what is left. On Linux; elsewhere nobody knows."""

from pathlib import Path

_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")
_KIB = 1024


def resident() -> int:
    """Return the bytes that this process has in memory, or 0 where nobody knows."""
    return _entry(_STATUS, "VmRSS")


def peak() -> int:
    """Return the most bytes that it had since `reset_peak`, or 0 where nobody knows."""
    return _entry(_STATUS, "VmHWM")


def reset_peak() -> bool:
    """Let `peak` begin anew; return whether it can."""
    try:
        _RESET.write_text("5")
    except OSError:
        return False
    return True


def available() -> int | None:
    """Return the bytes that the machine, or the container, could still give, or None where nobody knows."""
    limits = [_entry(Path("/proc/meminfo"), "MemAvailable") or None, _left_in_container()]
    return min((limit for limit in limits if limit is not None), default=None)


def _left_in_container() -> int | None:
    group = Path("/sys/fs/cgroup")
    try:
        limit, used = ((group / name).read_text().strip() for name in ("memory.max", "memory.current"))
        files = _number((group / "memory.stat").read_text(), "inactive_file ")
    except OSError:
        return None
    return None if limit == "max" else int(limit) - int(used) + files


def _entry(path: Path, name: str) -> int:
    try:
        return _number(path.read_text(), f"{name}:") * _KIB
    except OSError:
        return 0


def _number(lines: str, start: str) -> int:
    return next((int(line[len(start) :].split()[0]) for line in lines.splitlines() if line.startswith(start)), 0)
