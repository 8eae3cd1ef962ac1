"""A worker's side: a process that runs trials until the search has ended or its parent has."""

import contextlib
import ctypes
import multiprocessing
import os
import signal
import threading
import time
from multiprocessing.connection import Connection
from types import FrameType
from typing import Any

import keras
import optuna

from keras_neural_opt.hpo._sent import is_sendable

READY, DONE = "ready", "done"
_PR_SET_PDEATHSIG = 1


def work(pipe: Connection) -> None:
    """Take the search from the pipe and run its trials; say there how it ended, as `DONE` or the error."""
    _die_with_parent()
    signal.signal(signal.SIGTERM, _interrupt)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with contextlib.suppress(KeyboardInterrupt):
        tuner, arguments, globals_of_keras, deadline = pipe.recv()
        _set_globals(*globals_of_keras)
        tuner.oracle.verbose = 0
        if tuner.seed is not None:
            # Loads what Keras leaves for later, which is no trial's fault; each trial seeds anew.
            keras.utils.set_random_seed(tuner.seed)
        if deadline is not None:
            tuner.time_limit = max(deadline - time.time(), 1e-3)
        pipe.send(READY)
        pipe.send(_outcome(tuner, arguments))


def _outcome(tuner: Any, arguments: Any) -> Any:
    try:
        tuner._search(*arguments)
    except Exception as error:
        return error if is_sendable(error) else RuntimeError(f"{type(error).__name__}: {error}")
    return DONE


def globals_of_keras() -> tuple[str, Any]:
    """Return what a program sets for all models, and a new process does not know."""
    return keras.config.floatx(), keras.config.dtype_policy()


def _set_globals(floatx: str, policy: Any) -> None:
    keras.config.set_floatx(floatx)
    keras.config.set_dtype_policy(policy)


def _interrupt(signum: int, frame: FrameType | None) -> None:
    # As Ctrl-C does in a search without workers: the trial is left to the next search.
    raise KeyboardInterrupt


def _die_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is None:
        return
    # The kernel ends also a process that hangs; the thread is for kernels other than Linux, and for a parent that died
    # before this line.
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL))

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, name="kno-parent", daemon=True).start()
