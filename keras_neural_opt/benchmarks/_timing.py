"""Fair timings: every candidate once a round, so that a slow moment of the machine hits all of them."""

import statistics
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

Samples = dict[str, dict[str, list[float]]]

# Threads of OpenMP wait busily for some milliseconds after their work, on the account of whoever comes next.
_PAUSE = 0.005


def interleaved(
    candidates: Mapping[str, Callable[[], Any]], rounds: int, warmup: int = 7, advance: Callable[[], Any] | None = None
) -> Samples:
    """Time each candidate `rounds` times, in turn.

    Args:
        candidates: Functions that do one step and wait for its result, by name.
        rounds: How many timed rounds.
        warmup: How many untimed rounds come first; compilation and caches settle in them.
        advance: Called after each round, to show progress.

    Returns:
        For each name the process-CPU and the wall time of each round, in milliseconds.
    """
    samples: Samples = {name: {"cpu": [], "wall": []} for name in candidates}
    order = deque(candidates)
    for round_number in range(warmup + rounds):
        order.rotate(-1)  # nobody always comes after the same one
        for name in order:
            time.sleep(_PAUSE)
            spent = timed(candidates[name])
            if round_number >= warmup:
                for clock, milliseconds in spent.items():
                    samples[name][clock].append(milliseconds)
        if advance:
            advance()
    return samples


def timed(step: Callable[[], Any]) -> dict[str, float]:
    """Return the process-CPU and the wall time of one call, in milliseconds."""
    started_cpu, started = time.process_time(), time.perf_counter()
    step()
    return {"cpu": 1e3 * (time.process_time() - started_cpu), "wall": 1e3 * (time.perf_counter() - started)}


def summary(samples: Samples) -> dict[str, dict[str, float]]:
    """Return for each name the minimum and the median of both clocks, in milliseconds."""
    return {
        name: {
            name_of_figure: round(value, 4)
            for clock, times in clocks.items()
            for name_of_figure, value in (
                (f"{clock}_ms_min", min(times)),
                (f"{clock}_ms_median", statistics.median(times)),
            )
        }
        for name, clocks in samples.items()
    }


def ratios(samples: Samples, name: str) -> dict[str, dict[str, float]]:
    """Return for each other candidate the median over the rounds of `name`'s time over its time, by clock."""
    return {
        other: {
            clock: round(statistics.median(a / b for a, b in zip(samples[name][clock], times, strict=True)), 3)
            for clock, times in clocks.items()
        }
        for other, clocks in samples.items()
        if other != name
    }
