"""How many times as fast several workers are, on trials that only wait."""

import time
from pathlib import Path
from typing import Any

from keras_neural_opt.benchmarks._search_kills import tuner_in
from keras_neural_opt.benchmarks._search_models import Bowl


def speed_of_workers(folder: Path, workers: int, trials: int, seconds: float) -> dict[str, Any]:
    """Compare a search in several processes with one in this process, counted once all workers are up.

    Args:
        folder: An empty folder.
        workers: How many processes.
        trials: How many trials they run.
        seconds: How long each sleeps.
    """
    alone, together = folder / "alone", folder / "together"
    for each in (alone, together):
        each.mkdir()
    single = Bowl(alone / "notes", seconds)
    tuner_in(alone, single, max(trials // workers // 3, 3)).search(verbose=0)
    several = Bowl(together / "notes", seconds, together=workers)
    began = time.monotonic()
    tuner_in(together, several, trials).search(workers=workers, verbose=0)
    ended = time.monotonic()
    runs = several.runs()
    # All are up when the last one has begun; the first runs waited for that.
    up = max(each[0][0] for each in runs.values())
    until = min(each[-1][1] for each in runs.values())
    finished = [end for each in runs.values() for _, end, _ in each if end <= until]
    alone_seconds = _period(single)
    return {
        "workers": workers,
        "trials": sum(map(len, runs.values())),
        "trial_seconds": seconds,
        "alone_seconds_per_trial": round(alone_seconds, 4),
        "seconds_per_trial": round((until - up) / len(finished), 4),
        "times_as_fast": round(alone_seconds * len(finished) / (until - up), 2),
        "with_start_of_the_processes_seconds": round(ended - began, 1),
    }


def _period(model: Bowl) -> float:
    (runs,) = model.runs().values()
    # Not the first: it loads what Keras had left for later.
    return (runs[-1][0] - runs[1][0]) / (len(runs) - 2)
