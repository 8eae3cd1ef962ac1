"""What a history of losses says."""

import math
from typing import Any

History = dict[str, list[float]]

_WINDOW = 5
_WINDOW_FRACTION = 0.1
_NEGLIGIBLE = 1e-3


def history_of(result_or_history: Any) -> History:
    """Return the history of a training result, of a Keras `History`, or the dictionary itself.

    Raises:
        ValueError: It is none of those, or has no losses.
    """
    history = getattr(result_or_history, "history", result_or_history)
    if not isinstance(history, dict) or not history.get("loss"):
        raise ValueError(f"result must be a TrainingResult or its history; received {result_or_history!r}")
    return history


def final_loss(history: History) -> float:
    """Return the training loss of the last epoch."""
    return float(history["loss"][-1])


def has_converged(history: History) -> bool:
    """Return whether the last epochs lowered the best loss by a negligible part of the whole decrease."""
    losses = history["loss"]
    window = max(_WINDOW, math.ceil(_WINDOW_FRACTION * len(losses)))
    if len(losses) <= window or not all(map(math.isfinite, losses)):
        return False
    best = min(losses)
    decrease = losses[0] - best
    return decrease > 0 and min(losses[:-window]) - best < _NEGLIGIBLE * decrease
