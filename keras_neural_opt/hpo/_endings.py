"""How a trial ends: what is written down of it, and what Optuna is told."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import optuna
from keras_tuner.src.engine import trial as kt_trial
from optuna.trial import TrialState

from keras_neural_opt.hpo import _lost as lost
from keras_neural_opt.hpo import _records as records
from keras_neural_opt.hpo._constraints import Constraint
from keras_neural_opt.hpo._measured import best_step, curves, measured_at, objective_values
from keras_neural_opt.hpo._objectives import PARAMETERS


def finish(
    study: optuna.Study,
    trial: optuna.Trial,
    shown: Any,
    ended: str | None,
    objectives: Sequence[Any],
    constraints: Sequence[Constraint],
) -> None:
    """End a trial that measured something.

    Args:
        study: The study.
        trial: The trial.
        shown: KerasTuner's view of it, with what it measured.
        ended: Why it ended early, or None.
        objectives: The objectives.
        constraints: What must be kept.
    """
    values = objective_values(shown, objectives)
    measured = getattr(shown.hyperparameters, "measured", {})
    if measured:
        trial.set_user_attr(records.MEASURED, json.dumps(measured))
    if values is None or ended:
        trial.set_user_attr(records.REASON, "diverged" if values is None else ended)
        # Of what a training changes a part of one tells nothing.
        weights = curves(shown).get(PARAMETERS)
        known = {**({PARAMETERS: weights[-1]} if weights else {}), **measured}
        _note(trial, [each for each in constraints if each.metric in known], known)
        study.tell(trial, state=TrialState.PRUNED, skip_if_finished=True)
        return
    step = best_step(shown, objectives[0])
    trial.set_user_attr(records.BEST_STEP, step)
    _note(trial, constraints, measured_at(shown, step))
    study.tell(trial, values, skip_if_finished=True)


def refuse(
    study: optuna.Study,
    trial: optuna.Trial,
    reason: str,
    measured: Mapping[str, float],
    constraints: Sequence[Constraint],
) -> None:
    """End a trial that was not worth a training, with what is known without one."""
    trial.set_user_attr(records.REFUSED, True)
    trial.set_user_attr(records.REASON, reason)
    _note(trial, [each for each in constraints if each.metric in measured], measured)
    study.tell(trial, state=TrialState.PRUNED, skip_if_finished=True)


def fail(study: optuna.Study, trial: optuna.Trial, ended: Any, retries: int) -> None:
    """End a trial that raised an error; it is run again, unless it was as often as it may."""
    trial.set_user_attr(records.REASON, ended.message or "failed")
    runs = trial.user_attrs.get(records.RERUN_OF, [])
    again = ended.status == kt_trial.TrialStatus.INVALID and len(runs) < retries
    if again:
        trial.set_user_attr(records.LOST, "to be run again")
    study.tell(trial, state=TrialState.FAIL, skip_if_finished=True)
    if again:
        stored = study._storage.get_trial(trial._trial_id)
        lost.run_again(study, stored, [*runs, trial.number])


def _note(trial: optuna.Trial, constraints: Sequence[Constraint], measured: Mapping[str, float]) -> None:
    for each in constraints:
        trial.set_constraint(each.metric, each.excess(measured[each.metric]))
