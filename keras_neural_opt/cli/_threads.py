"""Limits the processors of this process before a backend takes its threads from them."""

import os
import sys


def limit_threads(count: int) -> None:
    """Let this process use `count` processors; to be called before the backend is imported.

    Raises:
        ValueError: It is no positive number.
        RuntimeError: There are not as many, this system cannot say which, or the backend is there already.
    """
    if count < 1:
        raise ValueError(f"--threads must be an integer >= 1; received {count}")
    if "keras" in sys.modules:
        raise RuntimeError("--threads: Keras has started its backend already; use the command keras-neural-opt")
    if not hasattr(os, "sched_setaffinity"):
        raise RuntimeError("--threads needs a system that binds processes to processors, such as Linux")
    available = sorted(os.sched_getaffinity(0))
    if count > len(available):
        raise RuntimeError(f"--threads {count}: there are {len(available)} processors")
    os.sched_setaffinity(0, available[:count])
    # GNU OpenMP reads its own variable, and has its pool from before where a library was loaded already.
    os.environ["OMP_NUM_THREADS"] = str(count)
