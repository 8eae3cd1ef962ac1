"""What goes wrong around a search, done on purpose: killed workers, and what a search costs besides its trials."""

import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras

from keras_neural_opt.benchmarks._search_costs import bookkeeping, memory
from keras_neural_opt.benchmarks._search_kills import kill_workers
from keras_neural_opt.benchmarks._search_speed import speed_of_workers

# Name and measurement; the folder is empty.
PARTS: dict[str, Callable[[Path], dict[str, Any]]] = {
    "kills": lambda folder: kill_workers(folder, kills=100),
    "speed": lambda folder: speed_of_workers(folder, workers=4, trials=120, seconds=1.0),
    "bookkeeping": lambda folder: bookkeeping(folder, trials=500),
    "memory": memory,
}


def search_faults(parts: Sequence[str] = ()) -> dict[str, Any]:
    """Kill workers of a search a hundred times; measure the speed of four, the records' cost and the memory.

    Args:
        parts: Which of `"kills"`, `"speed"`, `"bookkeeping"` and `"memory"`. Defaults to all.

    Returns:
        A record for `write_record`: a result a part, each with the machine's load when it began, since other programs
        on the same processors make a difference. That of the memory is the backend's.

    Raises:
        ValueError: A part is none of these.

    Example:
        >>> from keras_neural_opt.benchmarks import search_faults
        >>> record = search_faults(["bookkeeping"])
        >>> record["results"]["bookkeeping"]["hyperparameters"]
        7
    """
    unknown = next((part for part in parts if part not in PARTS), None)
    if unknown is not None:
        raise ValueError(f"search_faults.parts must be of {', '.join(PARTS)}; received {unknown!r}")
    results = {}
    for part in parts or PARTS:
        name = f"memory_{keras.backend.backend()}" if part == "memory" else part
        load = os.getloadavg()[0]
        with tempfile.TemporaryDirectory() as folder:
            results[name] = {"load_average": round(load, 1), **PARTS[part](Path(folder))}
    return {"benchmark": "search_faults", "results": results}
