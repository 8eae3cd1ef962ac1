"""What trials came to, as numbers of which less is better and that a Gaussian process can be fitted to."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState
from scipy import stats

from keras_neural_opt.hpo._gp import Array
from keras_neural_opt.hpo._records import FOLLOWS

_CHEBYSHEV_SUM = 0.05  # Knowles (2006)


def told(trial: FrozenTrial) -> bool:
    """Whether something is known of how good the trial's parameters are."""
    finished = trial.state in (TrialState.COMPLETE, TrialState.PRUNED)
    return finished or (trial.state == TrialState.FAIL and bool(trial.user_attrs.get("diverged")))


def latest(trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """Return the trials but those whose training went on in another that tells something, which then says it all."""
    went_on = {trial.user_attrs.get(FOLLOWS) for trial in trials if told(trial)}
    return [trial for trial in trials if trial.number not in went_on]


def losses(trials: Sequence[FrozenTrial], directions: Sequence[StudyDirection]) -> Array:
    """Return one row a trial, one column an objective: less is better, and what diverged is as bad as the worst.

    A pruned trial has the loss that is as good, among the completed ones, as its last report is among the reports of
    the same step, and is worse than the worst of them by as much as its report is: a curve that was cut early is
    neither worse for that, nor better than all that were finished.
    """
    signs = np.array([-1.0 if direction == StudyDirection.MAXIMIZE else 1.0 for direction in directions])
    table = np.full((len(trials), len(signs)), np.nan)
    for i, trial in enumerate(trials):
        if trial.state == TrialState.COMPLETE:
            table[i] = signs * np.array(trial.values)
    if len(signs) == 1:
        _impute_pruned(table[:, 0], trials, float(signs[0]))
    table[~np.isfinite(table)] = np.nan
    worst = np.nan_to_num(np.max(table, 0, initial=-np.inf, where=~np.isnan(table)), neginf=0.0)
    return np.where(np.isnan(table), worst, table)


def _impute_pruned(values: Array, trials: Sequence[FrozenTrial], sign: float) -> None:
    complete = [i for i, trial in enumerate(trials) if trial.state == TrialState.COMPLETE and np.isfinite(values[i])]
    for i, trial in enumerate(trials):
        step = trial.last_step
        if trial.state != TrialState.PRUNED or step is None or not np.isfinite(trial.intermediate_values[step]):
            continue
        report = sign * trial.intermediate_values[step]
        peers = [j for j in complete if np.isfinite(trials[j].intermediate_values.get(step, np.nan))]
        then = np.array([sign * trials[j].intermediate_values[step] for j in peers])
        values[i] = _same_rank(report, then, values[peers]) if peers else report


def _same_rank(report: float, then: Array, final: Array) -> float:
    """Return what is among the final values where the report is among those of its step."""
    return float(np.interp(report, np.sort(then), np.sort(final)) + max(report - then.max(), 0.0))


def warped(values: Array) -> Array:
    """Return the values with the bad half drawn in, of mean 0 and variance 1.

    What is worse than the median goes where a normal distribution would have it, by its rank, so that one loss of a
    million does not make all others look alike. The order remains.
    """
    median = float(np.median(values))
    good = values[values <= median]
    spread = float(np.sqrt(np.mean((good - median) ** 2))) or 1.0
    bad = values > median
    ranks = (stats.rankdata(values) - 0.5) / len(values)
    result = np.where(bad, median + spread * stats.norm.ppf(np.maximum(ranks, 0.5)), values)
    deviation = float(result.std())
    return (result - result.mean()) / deviation if deviation > 0.0 else np.zeros_like(result)


def scalarised(table: Array, rng: np.random.Generator) -> Array:
    """Return one number for the objectives of each trial: a Chebyshev sum of random weights (Knowles, 2006)."""
    if table.shape[1] == 1:
        return table[:, 0]
    weights = rng.dirichlet(np.ones(table.shape[1]))
    scaled = np.stack([_unit(column) for column in table.T], 1) * weights
    return scaled.max(1) + _CHEBYSHEV_SUM * scaled.sum(1)


def _unit(values: Array) -> Array:
    low, high = values.min(), np.median(values) + (np.median(values) - values.min())
    return (values - low) / (high - low) if high > low else np.zeros_like(values)


def constraint_values(trials: Sequence[FrozenTrial]) -> Array:
    """Return one row a trial, one column a constraint, which holds where the number is at most 0.

    A constraint that a trial did not report counts as the worst that was seen of it.
    """
    names = sorted({name for trial in trials for name in trial.constraints})
    table = np.array([[trial.constraints.get(name, np.nan) for name in names] for trial in trials])
    table = table.reshape(len(trials), len(names))
    return np.where(np.isnan(table), np.nanmax(table, 0, initial=-np.inf), table) if names else table


def kept(values: Array, count: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Return the indices of at most `count` trials, ascending: the best half and the latest of the others."""
    if len(values) <= count:
        return np.arange(len(values))
    best = np.argsort(values, kind="stable")[: count // 2]
    others = np.setdiff1d(np.arange(len(values)), best)
    return np.sort(np.concatenate([best, others[-(count - len(best)) :]]))
