"""Optuna's trials as KerasTuner shows them."""

import math
from typing import Any

from keras_tuner.src.engine import metrics_tracking
from keras_tuner.src.engine import trial as kt_trial
from optuna.trial import FrozenTrial, TrialState

from keras_neural_opt.hpo import _records as records
from keras_neural_opt.hpo._hyperparameters import SuggestedHyperParameters, to_keras
from keras_neural_opt.hpo._space import SearchSpace

_STATUS = {
    TrialState.COMPLETE: kt_trial.TrialStatus.COMPLETED,
    TrialState.PRUNED: kt_trial.TrialStatus.COMPLETED,
    TrialState.FAIL: kt_trial.TrialStatus.FAILED,
    TrialState.RUNNING: kt_trial.TrialStatus.RUNNING,
    TrialState.WAITING: kt_trial.TrialStatus.IDLE,
}


def trial_id(number: int) -> str:
    """Return KerasTuner's name of a trial."""
    return f"{number:04d}"


def number_of(name: str) -> int:
    """Return the number of the trial that KerasTuner calls so."""
    return int(name)


def view(trial: FrozenTrial, space: SearchSpace, directions: dict[str, str]) -> Any:
    """Return the trial in KerasTuner's form."""
    hyperparameters = hyperparameters_of(space)
    hyperparameters.fill(space.values(trial.params), space.parameters)
    shown = kt_trial.Trial(
        hyperparameters, trial_id(trial.number), _STATUS[trial.state], trial.user_attrs.get(records.REASON)
    )
    for name, values in records.history(trial).items():
        shown.metrics.register(name, direction=directions.get(name) or _direction(name))
        for step, value in enumerate(values):
            if not math.isnan(value):
                shown.metrics.metrics[name].update(value, step)
    shown.score = trial.value if trial.state == TrialState.COMPLETE and len(directions) == 1 else None
    shown.best_step = trial.user_attrs.get(records.BEST_STEP, 0)
    return shown


def hyperparameters_of(space: SearchSpace) -> SuggestedHyperParameters:
    """Return KerasTuner's hyperparameters of a space, without values."""
    hyperparameters = SuggestedHyperParameters()
    hyperparameters.merge([hp for p in space if (hp := to_keras(p)) is not None])
    hyperparameters.values = {}
    return hyperparameters


def _direction(name: str) -> str:
    return metrics_tracking.infer_metric_direction(name) or "min"
