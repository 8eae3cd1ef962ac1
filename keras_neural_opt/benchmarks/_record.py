"""What a committed figure needs beside it: versions, machine, seed; and the file it goes to."""

import importlib.metadata
import json
import os
import platform
from pathlib import Path
from typing import Any

import keras

from keras_neural_opt._core.files import write_atomic

_PACKAGES = (
    "keras-neural-opt",
    "keras",
    "tensorflow",
    "tensorflow-cpu",
    "jax",
    "torch",
    "optax",
    "pytorch-optimizer",
    "numpy",
    "scipy",
    "optuna",
    "cmaes",
)


def environment() -> dict[str, Any]:
    """Return what a benchmark's figures depend on: package versions, backend and processor.

    Returns:
        A mapping ready for JSON.

    Example:
        >>> from keras_neural_opt.benchmarks import environment
        >>> environment()["backend"] in ("tensorflow", "jax", "torch")
        True
    """
    return {
        "backend": keras.backend.backend(),
        "python": platform.python_version(),
        "packages": {name: version for name in _PACKAGES if (version := _version(name))},
        "processor": _processor(),
        "cores": os.cpu_count(),
    }


def write_record(path: str | os.PathLike[str], record: dict[str, Any]) -> Path:
    """Write a benchmark's record, with its environment, as JSON that diffs well.

    Args:
        path: The file. Its folder must exist.
        record: What the benchmark returned.

    Returns:
        The path written.

    Example:
        >>> from keras_neural_opt.benchmarks import write_record
        >>> write_record("record.json", {"benchmark": "none"}).name
        'record.json'
    """
    return write_atomic(path, json.dumps({"environment": environment(), **record}, indent=1, sort_keys=True) + "\n")


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())
