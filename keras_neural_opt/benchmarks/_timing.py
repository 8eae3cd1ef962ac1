"""Fair timings: every candidate once a round, so that a slow moment of the machine hits all of them."""

import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any


def interleaved(
    candidates: Mapping[str, Callable[[], Any]], rounds: int, warmup: int = 7, advance: Callable[[], Any] | None = None
) -> dict[str, dict[str, float]]:
    """Time each candidate `rounds` times, in turn.

    Args:
        candidates: Functions that do one step and wait for its result, by name.
        rounds: How many timed rounds.
        warmup: How many untimed rounds come first; compilation and caches settle in them.
        advance: Called after each round, to show progress.

    Returns:
        For each name the minimum and the median of process-CPU and wall time, in milliseconds.
    """
    cpu: dict[str, list[float]] = {name: [] for name in candidates}
    wall: dict[str, list[float]] = {name: [] for name in candidates}
    for round_number in range(warmup + rounds):
        for name, step in candidates.items():
            started_cpu, started = time.process_time(), time.perf_counter()
            step()
            spent_cpu, spent = time.process_time() - started_cpu, time.perf_counter() - started
            if round_number >= warmup:
                cpu[name].append(1e3 * spent_cpu)
                wall[name].append(1e3 * spent)
        if advance:
            advance()
    return {
        name: {
            "cpu_ms_min": round(min(cpu[name]), 4),
            "cpu_ms_median": round(statistics.median(cpu[name]), 4),
            "wall_ms_min": round(min(wall[name]), 4),
            "wall_ms_median": round(statistics.median(wall[name]), 4),
        }
        for name in candidates
    }
