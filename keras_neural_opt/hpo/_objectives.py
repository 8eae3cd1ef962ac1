"""What a search makes as small or as large as possible."""

from collections.abc import Sequence
from typing import Any

import keras_tuner as kt
from keras_tuner.src.engine import objective as kt_objective
from optuna.trial import FrozenTrial

# The number of weights, which the tuner adds to the logs of each trial.
PARAMETERS = "params"


def objectives_of(objective: Any) -> list[Any]:
    """Return the objectives, each a `keras_tuner.Objective`.

    Args:
        objective: The name of a metric whose direction its name tells, `(name, "min" or "max")`, a
            `keras_tuner.Objective`, or a list of these for a Pareto front. None: what the trial returns is minimized.

    Raises:
        ValueError: It is none of these, or nobody knows whether more of it is better.
    """
    if isinstance(objective, list):
        if not objective:
            raise ValueError(f"OptunaOracle.objective must have at least one objective; received {objective!r}")
        found = [objectives_of(each)[0] for each in objective]
        names = [each.name for each in found]
        if len(set(names)) < len(names):
            raise ValueError(f"OptunaOracle.objective must have each objective once; received {names}")
        return found
    return [_objective(objective)]


def _objective(objective: Any) -> Any:
    if isinstance(objective, kt.Objective) and objective.direction in ("min", "max"):
        return objective
    if isinstance(objective, tuple) and len(objective) == 2 and objective[1] in ("min", "max"):
        return kt.Objective(*objective)
    if objective == PARAMETERS:
        return kt.Objective(PARAMETERS, "min")
    if objective is not None and not isinstance(objective, str):
        raise ValueError(
            f'OptunaOracle.objective must be a name, (name, "min" or "max"), or a list of these; received {objective!r}'
        )
    try:
        return kt_objective.create_objective(objective)
    except ValueError:
        raise ValueError(
            f'OptunaOracle.objective must say whether more is better: ({objective!r}, "min") or ({objective!r}, "max");'
            f" received {objective!r}"
        ) from None


def undominated(trials: Sequence[FrozenTrial], signs: Sequence[float]) -> list[FrozenTrial]:
    """Return the trials that no other is at least as good as in every objective, and better in one.

    Args:
        trials: Completed trials.
        signs: 1 for each objective that is minimized, -1 for each that is maximized.
    """
    losses = [tuple(sign * value for sign, value in zip(signs, t.values, strict=True)) for t in trials]

    def is_dominated(one: tuple[float, ...]) -> bool:
        return any(other != one and all(a <= b for a, b in zip(other, one, strict=True)) for other in losses)

    return [t for t, loss in zip(trials, losses, strict=True) if not is_dominated(loss)]
