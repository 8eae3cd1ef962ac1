"""What a trial measured: KerasTuner's metrics as numbers for the storage."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import keras_tuner as kt

from keras_neural_opt._core.arguments import did_you_mean
from keras_neural_opt.hpo._parameter import is_finite


def check_measured(objectives: Iterable[str], metrics: Mapping[str, Any]) -> None:
    """Raise `FatalValueError` where an objective is not among the metrics of a trial."""
    missing = next((name for name in objectives if name not in metrics), None)
    if missing is not None:
        raise kt.errors.FatalValueError(
            f"OptunaOracle.objective must be among the metrics of a trial, which are {sorted(metrics)};"
            f" received {missing!r}{did_you_mean(missing, metrics)}"
        )


def best_step(shown: Any, objective: Any) -> int | None:
    """Return the step at which a trial was best, or None where it measured nothing that is finite."""
    if not shown.metrics.exists(objective.name):
        return None
    sign = 1 if objective.direction == "min" else -1
    means = {step: float(each.mean()) for step, each in shown.metrics.metrics[objective.name]._observations.items()}
    finite = [step for step, value in means.items() if is_finite(value)]
    return min(finite, key=lambda step: sign * means[step], default=None)


def objective_values(shown: Any, objectives: Sequence[Any]) -> list[float] | None:
    """Return the objectives after the best epoch of the first one, or None where one is not finite."""
    step = best_step(shown, objectives[0])
    if step is None:
        return None
    values = [float(shown.metrics.metrics[each.name]._observations[step].mean()) for each in objectives]
    return values if all(map(is_finite, values)) else None


def measured_at(shown: Any, step: int | None) -> dict[str, float]:
    """Return each metric after an epoch that had it."""
    observed = {name: each._observations for name, each in shown.metrics.metrics.items()}
    return {name: float(steps[step].mean()) for name, steps in observed.items() if step in steps}


def curves(shown: Any) -> dict[str, list[float]]:
    """Return each metric after each epoch."""
    return {name: [float(each.mean()) for each in m.get_history()] for name, m in shown.metrics.metrics.items()}
