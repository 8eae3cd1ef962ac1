"""Memory that stays flat from trial to trial."""

import contextlib
import gc
from collections.abc import Iterator

import keras


def forget_models() -> None:
    """Let go of the models and compiled functions of earlier trials."""
    keras.utils.clear_session(free_memory=False)
    gc.collect()


@contextlib.contextmanager
def quick_collection() -> Iterator[None]:
    """Keep what is there before a search out of the garbage collections after each trial.

    The libraries alone make half a million objects, through which each collection would go, for the better part of a
    second.
    """
    frozen = gc.get_freeze_count()
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        if not frozen:
            gc.unfreeze()
