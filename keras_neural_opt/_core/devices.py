"""Which processors and accelerators a process of several has, as variables that its backend reads when it starts."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping


def environment_of(place: int, processes: int) -> dict[str, str]:
    """Return what a process has in its environment besides what this one has.

    Accelerators go round; processors are divided. What the user has set stays.

    Args:
        place: Which process, from 0.
        processes: How many there are.
    """
    threads = str(max(_processors() // processes, 1))
    divided = {
        "OMP_NUM_THREADS": threads,
        "TF_NUM_INTRAOP_THREADS": threads,
        "TF_NUM_INTEROP_THREADS": threads,
        "NPROC": threads,  # XLA takes it for the number of processors.
    }
    if threads == "1":
        divided["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"
    devices = accelerators()
    if len(devices) < processes and devices:
        # Several share one, which each would otherwise take whole.
        divided |= {"XLA_PYTHON_CLIENT_PREALLOCATE": "false", "TF_FORCE_GPU_ALLOW_GROWTH": "true"}
    chosen = {"CUDA_VISIBLE_DEVICES": devices[place % len(devices)]} if devices else {}
    unset = {name: value for name, value in divided.items() if name not in os.environ}
    return {**unset, **chosen}


def accelerators() -> list[str]:
    """Return the numbers or names of the CUDA devices that this process may use."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [name.strip() for name in visible.split(",") if name.strip() and name.strip() != "-1"]
    command = shutil.which("nvidia-smi")
    if command is None:
        return []
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        listed = subprocess.run([command, "-L"], capture_output=True, text=True, timeout=20, check=True).stdout  # noqa: S603 - no shell, and no argument of a user
        return [str(i) for i, line in enumerate(line for line in listed.splitlines() if line.startswith("GPU "))]
    return []


@contextlib.contextmanager
def environment(values: Mapping[str, str]) -> Iterator[None]:
    """Set variables for the processes that are started inside."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
