"""The machine's memory: what this process took at most, and what is left. On Linux; elsewhere nobody knows."""

from collections.abc import Iterator
from pathlib import Path

_PROCESS = Path("/proc/self")
_GROUPS = Path("/sys/fs/cgroup")
_KIB = 1024


def resident() -> int:
    """Return the bytes that this process has in memory, or 0 where nobody knows."""
    return _entry(_PROCESS / "status", "VmRSS:") * _KIB


def peak() -> int:
    """Return the most bytes that it had since `reset_peak`, or 0 where nobody knows."""
    return _entry(_PROCESS / "status", "VmHWM:") * _KIB


def reset_peak() -> bool:
    """Let `peak` begin anew; return whether it can."""
    try:
        (_PROCESS / "clear_refs").write_text("5")
    except OSError:
        return False
    return peak() > 0


def available() -> int | None:
    """Return the bytes that the machine, and its control groups, could still give, or None where nobody knows."""
    machine = _entry(Path("/proc/meminfo"), "MemAvailable:") * _KIB
    return min([*([machine] if machine else []), *_left_in_groups(_PROCESS / "cgroup", _GROUPS)], default=None)


def _left_in_groups(membership: Path, root: Path) -> Iterator[int]:
    """Yield what is left in each control group that this process is in, of either version."""
    for line in _lines(membership):
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            base, names = root, ("memory.max", "memory.current", "inactive_file ")
        elif "memory" in controllers.split(","):
            base, names = root / "memory", ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file ")
        else:
            continue
        group = base / path.lstrip("/")
        # In a container the group that the kernel names may lie outside of what is seen; its root is then the group.
        for folder in (group, *group.parents):
            if folder == root.parent:
                break
            limit, used = (_lines(folder / name) for name in names[:2])
            if limit and used and limit[0].isdigit():
                # Files that are only cached make room.
                yield int(limit[0]) - int(used[0]) + _entry(folder / "memory.stat", names[2])


def _entry(path: Path, start: str) -> int:
    return next((int(line[len(start) :].split()[0]) for line in _lines(path) if line.startswith(start)), 0)


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []
