"""Chooses the backend, which must happen before Keras is imported."""

import importlib
import importlib.util
import os
import sys

BACKENDS = ("jax", "torch", "tensorflow")


def use_backend(requested: str | None) -> str:
    """Make Keras run on `requested`, on what the environment says or on the first backend that is installed.

    Returns:
        The backend's name.

    Raises:
        ValueError: Keras runs on another one already, or none is installed.
    """
    if "keras" in sys.modules:
        running: str = sys.modules["keras"].backend.backend()
        if requested not in (None, running):
            raise ValueError(f"--backend {requested}: Keras already runs on {running}; unset KERAS_BACKEND")
        return running
    chosen = choose_backend(requested)
    os.environ["KERAS_BACKEND"] = chosen
    # TensorFlow logs its start-up to the terminal, over the progress bar.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # The package left out everything that imports Keras while there was no backend.
    importlib.reload(sys.modules["keras_neural_opt"])
    return chosen


def choose_backend(requested: str | None) -> str:
    """Return `requested`, what the environment says, or the first backend that is installed.

    Raises:
        ValueError: None is installed.
    """
    return requested or os.environ.get("KERAS_BACKEND") or _first_installed()


def _first_installed() -> str:
    for name in BACKENDS:
        if importlib.util.find_spec(name):
            return name
    raise ValueError(f"no backend is installed: install one of {', '.join(BACKENDS)}")
