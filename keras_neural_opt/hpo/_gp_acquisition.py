"""From trials to what the next one should maximise."""

from typing import Any

import numpy as np

from keras_neural_opt.hpo._gp import PRIORS, Array, GaussianProcess, Priors, fit
from keras_neural_opt.hpo._gp_search import Acquisition
from keras_neural_opt.hpo._gp_values import kept

_FITTED, _KEPT = 150, 500  # trials that hyperparameters are fitted to, and that the process is given
_GOOD = 5

Categorical = np.ndarray[Any, np.dtype[np.bool_]]


def acquisition_of(
    categorical: Categorical,
    x: Array,
    values: Array,
    constraints: Array,
    pending: Array,
    priors: Priors = PRIORS,
) -> tuple[Acquisition, Array]:
    """Return what to maximise, and points near which it may be large.

    Args:
        categorical: Which columns hold categories, of shape `(columns,)`.
        x: What was tried, of shape `(trials, columns)`.
        values: What it came to, of shape `(trials,)`, of mean 0 and variance near 1; less is better.
        constraints: One row a trial, one column a constraint, which holds where the number is at most 0.
        pending: What is tried now, of shape `(running, columns)`.
        priors: What is believed of the hyperparameters before.
    """
    feasible = np.all(constraints <= 0.0, axis=1)
    ranked = np.lexsort([values, np.maximum(constraints, 0.0).sum(1)])
    order = np.empty(len(values))
    order[ranked] = np.arange(len(values))
    rows = kept(order, _KEPT)
    process = fitted(x[rows], values[rows], categorical, priors).assuming(pending)
    limits = []
    for column in constraints.T:
        scale = float(column.std()) or 1.0
        standard = (column - column.mean()) / scale
        limits.append((fitted(x[rows], standard[rows], categorical, priors), -float(column.mean()) / scale))
    mean = process.predict(x[rows])[0]
    best = float(mean[feasible[rows]].min()) if feasible[rows].any() else float(mean.max())
    return Acquisition(process, best, limits), x[ranked[:_GOOD]]


def fitted(x: Array, y: Array, categorical: Categorical, priors: Priors = PRIORS) -> GaussianProcess:
    """Return the process of all values, its hyperparameters fitted to a part of them where they are many."""
    rows = kept(y, _FITTED)
    process = fit(x[rows], y[rows], categorical, priors)
    return process if len(rows) == len(x) else GaussianProcess(process.kernel, x, y)
