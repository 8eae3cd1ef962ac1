"""A copy of a study in the user's words, for what Optuna computes and draws."""

from collections import Counter
from collections.abc import Mapping

import optuna
from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, create_trial

from keras_neural_opt.hpo._parameter import Mirrored, Normal, Parameter
from keras_neural_opt.hpo._quiet import without_news
from keras_neural_opt.hpo._space import SearchSpace


def display_names(space: SearchSpace) -> dict[str, str]:
    """Return what each parameter is called, by its key: its name, with its condition where others have that name."""
    count = Counter(p.name for p in space)
    return {p.key: p.name if count[p.name] == 1 else p.key for p in space}


def display_values(trial: FrozenTrial, space: SearchSpace) -> dict[str, object]:
    """Return the values of a trial that count, by their display names."""
    names, drawn = display_names(space), space.counting(trial.params)
    return {names[p.key]: p.value(drawn[p.key]) for p in space if p.key in drawn}


def readable_study(
    trials: list[FrozenTrial],
    space: SearchSpace,
    directions: Mapping[int, StudyDirection],
    as_drawn: bool = False,
) -> Study:
    """Return a study in memory with these trials.

    Args:
        trials: Trials that completed.
        space: What was searched.
        directions: Those of the objectives to copy, by their places among all.
        as_drawn: Whether the values are those that were drawn, on the scale on which they were, instead of those that
            were meant: the names are the user's in both cases.
    """
    with without_news():
        study = optuna.create_study(directions=list(directions.values()))
    names, by_key = display_names(space), space.by_key()
    for trial in trials:
        drawn = space.counting(trial.params)
        meant = {names[key]: value if as_drawn else by_key[key].value(value) for key, value in drawn.items()}
        scales = {names[key]: _scale(by_key[key], as_drawn) for key in drawn}
        study.add_trial(create_trial(values=[trial.values[i] for i in directions], params=meant, distributions=scales))
    return study


def _scale(parameter: Parameter, as_drawn: bool) -> BaseDistribution:
    """Return where the values of a parameter lie."""
    d, reading = parameter.distribution, parameter.reading
    if as_drawn or reading is None:
        return d
    if isinstance(reading, Normal) and isinstance(d, FloatDistribution):
        return FloatDistribution(reading.value(d.low), reading.value(d.high))
    if isinstance(reading, Mirrored) and isinstance(d, (FloatDistribution, IntDistribution)):
        # The ends change places; a logarithmic scale from the other end is none of Optuna's.
        return type(d)(d.low, d.high)
    return d
