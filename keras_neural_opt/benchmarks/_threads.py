"""How many threads a backend computes with."""

import os


def available_threads() -> int:
    """Return the number of processors that this process may use, which is what backends start as many threads for."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
