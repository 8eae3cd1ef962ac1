"""What becomes of trials that failed, or that their process did not end itself."""

from collections.abc import Mapping, Sequence

import optuna
from optuna.trial import FrozenTrial, TrialState

from keras_neural_opt.hpo import _records as records

ENDED = "its process ended"
# What a trial has in common with its next run.
_PLACE = (records.CONTINUES, records.BEGUN, records.FOLLOWS, records.BRACKET)


def bury(study: optuna.Study, trial: FrozenTrial, runs: int) -> None:
    """Run a lost trial again, unless it was lost or failed before as often as it may.

    Args:
        study: The study.
        trial: The trial.
        runs: How often a configuration is run at most.
    """
    before = trial.user_attrs.get(records.RERUN_OF, [])
    if len(before) + 1 < runs:
        if lose(study, trial, ENDED):
            run_again(study, trial, [*before, trial.number])
    else:
        fail(study, trial, f"{ENDED} in each of {len(before) + 1} runs")


def set_aside(study: optuna.Study, trial: FrozenTrial) -> None:
    """Leave a trial that was stopped to whoever asks next, as if it had not begun."""
    if lose(study, trial, "stopped"):
        run_again(study, trial, trial.user_attrs.get(records.RERUN_OF, []))


def lose(study: optuna.Study, trial: FrozenTrial, reason: str) -> bool:
    """Write off a trial, which then does not count; return whether nobody else ended it before."""
    return _end(study, trial, {records.LOST: reason, records.REASON: reason})


def fail(study: optuna.Study, trial: FrozenTrial, reason: str) -> bool:
    """End a trial as one that failed, which counts; return whether nobody else ended it before."""
    return _end(study, trial, {records.REASON: reason})


def run_again(study: optuna.Study, trial: FrozenTrial, runs: Sequence[int]) -> None:
    """Let the next that asks for a trial have this one.

    Args:
        study: The study.
        trial: A trial that ended.
        runs: The trials that ran it before.
    """
    # What it was given to run, too: it may have ended before it looked.
    drawn = {**trial.system_attrs.get("fixed_params", {}), **trial.params}
    place = {name: value for name, value in trial.user_attrs.items() if name in _PLACE}
    study.add_trial(
        optuna.create_trial(
            state=TrialState.WAITING,
            # Also what the sampler noted of it, such as its generation, or the next proposals would be others.
            system_attrs={**trial.system_attrs, "fixed_params": drawn},
            user_attrs={**place, records.RERUN_OF: list(runs)},
        )
    )


def check_failures(trials: Sequence[FrozenTrial], limit: int) -> None:
    """Raise `RuntimeError` where the last `limit` trials that ended all failed."""
    last = [t for t in trials if t.state.is_finished()][-limit:]
    if len(last) == limit and all(t.state == TrialState.FAIL for t in last):
        raise RuntimeError(
            f"the last {limit} trials failed, the last one with: {last[-1].user_attrs.get(records.REASON)}"
        )


def _end(study: optuna.Study, trial: FrozenTrial, attributes: Mapping[str, str]) -> bool:
    try:
        for name, value in attributes.items():
            study._storage.set_trial_user_attr(trial._trial_id, name, value)
        return study._storage.set_trial_state_values(trial._trial_id, TrialState.FAIL)
    except optuna.exceptions.UpdateFinishedTrialError:
        return False
