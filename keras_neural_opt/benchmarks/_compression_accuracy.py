"""What gradient compression costs in accuracy, on real tasks."""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from scipy import stats

from keras_neural_opt._core.arguments import check_arguments, choice, integer
from keras_neural_opt._core.branches import nothing
from keras_neural_opt._core.files import CorruptStateError
from keras_neural_opt.benchmarks._compression_run import scored
from keras_neural_opt.benchmarks._compression_settings import NAMES, SETTINGS, WORKERS, contestants
from keras_neural_opt.benchmarks._record import write_record
from keras_neural_opt.benchmarks._train_data import data_folder


def compression_accuracy(
    path: str | os.PathLike[str],
    tasks: Sequence[str] = (),
    seeds: int = 5,
    data: str | os.PathLike[str] | None = None,
    advance: Callable[[], Any] | None = None,
) -> dict[str, Any]:
    """Train with each compressor, and compare with training without one; on JAX, with four devices of one process.

    A seed has the same first weights and batches with each compressor. The record is written after each run; a second
    call with the same file goes on with the runs that it lacks.

    Args:
        path: The JSON file of the record. Its folder must exist.
        tasks: Of `"mnist"`, `"cifar10"` and `"shakespeare"`; all by default.
        seeds: How many runs of each compressor, >= 1. With one there are no intervals.
        data: The folder of data sets; by default what `KNO_DATA` says. Without one, Keras downloads the images.
        advance: Called after each run, to show progress; at once for each that the file has.

    Returns:
        The record. For each task: its settings, the runs, and for each compressor the mean score, the mean difference
        from the score of the same seed without compression, its interval of 95 % (Student) and whether that lies
        within the bound.

    Raises:
        ValueError: An argument breaks its rule.
        CorruptStateError: The file has runs of other settings, or is no record.
        FileNotFoundError: The data are not there.
        RuntimeError: Keras does not run on JAX, or there are fewer than four devices.

    Example:
        >>> from keras_neural_opt.benchmarks import compression_accuracy
        >>> record = compression_accuracy("compression_accuracy.json", ["mnist"])  # doctest: +SKIP
    """
    check_arguments("compression_accuracy", seeds=integer(seeds, 1))
    for task in tasks:
        choice(task, SETTINGS).check("compression_accuracy", "tasks")
    _check_devices()
    folder, known = data_folder(data), _read(Path(path))
    for name in tasks or SETTINGS:
        _run_task(name, Path(path), known, seeds, folder, advance or nothing)
    return _record(known)


def runs_of(tasks: Sequence[str], seeds: int) -> int:
    """Return how many runs `compression_accuracy` makes."""
    return seeds * sum(len(contestants(SETTINGS[task])) for task in tasks or SETTINGS)


def in_units(metric: str) -> tuple[float, str, int]:
    """Return what differences of a metric are shown in: a factor, its unit, and how many digits."""
    return (100.0, "points", 2) if metric == "accuracy" else (1.0, "nats", 3)


def paired_interval(differences: Sequence[float]) -> tuple[float, float] | None:
    """Return where, with 95 %, the mean of what such differences are drawn from lies (Student); None of less than two.

    Args:
        differences: One of each seed.
    """
    if len(differences) < 2:
        return None
    half = stats.t.ppf(0.975, len(differences) - 1) * stats.sem(differences)
    middle = float(np.mean(differences))
    return middle - float(half), middle + float(half)


def _run_task(
    name: str, path: Path, known: dict[str, Any], seeds: int, folder: Path | None, advance: Callable[[], Any]
) -> None:
    setting = SETTINGS[name]
    loaded = setting.task.data(folder)
    settings = setting.described(loaded.source)
    entry = known.setdefault(name, {"settings": settings, "runs": []})
    if entry["settings"] != settings:
        changed = sorted(key for key, value in settings.items() if entry["settings"].get(key) != value)
        raise CorruptStateError(
            path, f"its runs of {name} have other settings: {', '.join(changed)}", "Give --out another file."
        )
    done = {(run["seed"], run["contestant"]) for run in entry["runs"]}
    # Seed by seed: what is stopped early has as many runs of each.
    for seed in range(seeds):
        for contestant, compression in contestants(setting).items():
            if (seed, contestant) not in done:
                found = scored(setting, loaded, compression, seed)
                entry["runs"].append({"seed": seed, "contestant": contestant, **found})
                write_record(path, _record(known))
            advance()


def _record(known: Mapping[str, Any]) -> dict[str, Any]:
    tasks = {
        name: {"settings": entry["settings"], "runs": entry["runs"], "results": _results(entry)}
        for name, entry in known.items()
    }
    return {"benchmark": "compression_accuracy", "workers": WORKERS, "tasks": tasks}


def _results(entry: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return a row for each compressor that has run."""
    scores: dict[str, dict[int, float]] = {}
    for run in entry["runs"]:
        scores.setdefault(run["contestant"], {})[run["seed"]] = run["score"]
    sent = {run["contestant"]: run["bytes_per_step"] for run in entry["runs"]}
    exact, bound, rows = scores.get("none", {}), entry["settings"]["bound"], []
    for name, of_seed in scores.items():
        differences = [score - exact[seed] for seed, score in of_seed.items() if seed in exact]
        interval = paired_interval(differences)
        row: dict[str, Any] = {"contestant": name, "seeds": len(of_seed), "bytes_per_step": sent[name]}
        row["score"] = _mean(list(of_seed.values()))
        if name != "none" and interval:
            row |= {
                "difference": _mean(differences),
                "interval": [round(end, 5) for end in interval],
                "inside": -bound <= interval[0] and interval[1] <= bound,
            }
        rows.append(row)
    # Runs that were added later come later in the file.
    return sorted(rows, key=lambda row: NAMES.index(row["contestant"]))


def _mean(values: Sequence[float]) -> float:
    return round(float(np.mean(values)), 5)


def _read(path: Path) -> dict[str, Any]:
    """Return the tasks of a record, each with settings and runs; nothing where there is no file."""
    if not path.exists():
        return {}
    try:
        tasks = json.loads(path.read_text())["tasks"]
        return {name: {"settings": entry["settings"], "runs": entry["runs"]} for name, entry in tasks.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CorruptStateError(path, "it is no record of compression_accuracy", "Give --out another file.") from error


def _check_devices() -> None:
    backend = keras.backend.backend()
    if backend != "jax":
        raise RuntimeError(f"the benchmark of compression runs on JAX only; Keras runs on {backend}")
    count = len(keras.distribution.list_devices())
    if count < WORKERS:
        raise RuntimeError(
            f"the benchmark of compression needs {WORKERS} devices, and there are {count}: the command"
            " keras-neural-opt bench compression-accuracy makes them, or start Python with"
            f" XLA_FLAGS=--xla_force_host_platform_device_count={WORKERS}"
        )
