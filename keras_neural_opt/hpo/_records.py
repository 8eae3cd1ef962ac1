"""What a search writes into Optuna's storage besides parameters and values, and reads back from there."""

import functools
import json
from collections.abc import Mapping
from typing import Any

from optuna.study import Study
from optuna.trial import FrozenTrial

from keras_neural_opt.hpo._parameter import Parameter
from keras_neural_opt.hpo._space import SearchSpace

_PREFIX = "kno:"
_PARAMETER = f"{_PREFIX}parameter:"

# Of a trial: who runs it, that it still does, why it ended, what it measured; whether its owner was lost, and for which
# ones it runs again.
OWNER, REASON, HISTORY, BEST_STEP = (f"{_PREFIX}{name}" for name in ("owner", "reason", "history", "best_step"))
LOST, RERUN_OF, SECONDS, BEAT = (f"{_PREFIX}{name}" for name in ("lost", "rerun_of", "seconds", "beat"))
# Which trial's training it goes on with, after how many epochs, in whose place, and in which bracket.
CONTINUES, BEGUN, FOLLOWS, BRACKET = (f"{_PREFIX}{name}" for name in ("continues", "begun", "follows", "bracket"))
# Why a trial ended that may go on.
PAUSED = "paused"
# What was known of it without a training.
MEASURED = f"{_PREFIX}measured"
# That it was not worth a training.
REFUSED = f"{_PREFIX}refused"
# That it was seen by an earlier search.
EARLIER = f"{_PREFIX}earlier"
# Of a study: what is searched.
SETTINGS = f"{_PREFIX}settings"


def remember(study: Study, parameter: Parameter) -> None:
    """Write down a parameter, so that others who work on the study and a resumed search know it."""
    # One attribute each: workers that find different ones at the same time overwrite nothing.
    study.set_user_attr(_PARAMETER + parameter.key, parameter.to_json())


def remembered(study: Study) -> SearchSpace:
    """Return the space that was written down, parents first."""
    # Not by `study.user_attrs`, which copies them, deeply.
    attributes = study._storage.get_study_user_attrs(study._study_id)
    parameters = [_parameter(v) for k, v in attributes.items() if k.startswith(_PARAMETER)]
    return SearchSpace(_parents_first(parameters)) if parameters else empty_space()


@functools.lru_cache(maxsize=1024)
def _parameter(text: str) -> Parameter:
    return Parameter.from_json(text)


def empty_space() -> SearchSpace:
    """Return a space of nothing, of a model that has not been asked what it wants."""
    space = SearchSpace.__new__(SearchSpace)
    space.parameters = []
    return space


def _parents_first(parameters: list[Parameter]) -> list[Parameter]:
    ordered: list[Parameter] = []
    waiting = parameters
    while waiting:
        names = {p.name for p in ordered}
        ready = [p for p in waiting if all(parent in names for parent, _ in p.when)]
        # A parent that nobody wrote down cannot hold anything back for ever.
        ordered += ready or waiting
        waiting = [p for p in waiting if p not in ordered]
    return ordered


def counts(trial: FrozenTrial) -> bool:
    """Whether a trial is one of the search: what was lost is run again, what an earlier search saw is not its own."""
    noted = trial.user_attrs
    return LOST not in noted and EARLIER not in noted


def begins(trial: FrozenTrial) -> bool:
    """Whether a trial is the first of its configuration."""
    noted = trial.user_attrs
    return CONTINUES not in noted and LOST not in noted and EARLIER not in noted


def has_come_to_an_end(trial: FrozenTrial) -> bool:
    """Whether a training ended: what is paused may go on, what was refused has not begun."""
    return trial.state.is_finished() and REFUSED not in trial.user_attrs and trial.user_attrs.get(REASON) != PAUSED


def epochs_of_its_own(trial: FrozenTrial) -> int:
    """Return after how many epochs a trial stands, without those of the training that it goes on with."""
    return max(len(trial.intermediate_values) - trial.user_attrs.get(BEGUN, 0), 0)


def history(trial: FrozenTrial) -> dict[str, list[float]]:
    """Return the metrics of a trial after each epoch."""
    text = trial.user_attrs.get(HISTORY)
    return {} if text is None else json.loads(text)


def measured(trial: FrozenTrial) -> dict[str, float]:
    """Return what was known of a trial without a training."""
    text = trial.user_attrs.get(MEASURED)
    return {} if text is None else json.loads(text)


def settings(study: Study) -> Mapping[str, Any]:
    """Return what is searched, or nothing for a study that is new."""
    text = study.user_attrs.get(SETTINGS)
    return {} if text is None else json.loads(text)
