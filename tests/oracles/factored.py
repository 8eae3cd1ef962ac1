"""A second moment kept by the means of its rows and columns (Shazeer and Stern, 2018, section 3)."""

import numpy as np

from tests.oracles.rule import Array, State

Names = tuple[str, str, str]


def start_factors(p: Array, rows: str, columns: str, whole: str) -> State:
    """Return zeros: for a matrix (or a stack of them) two factors, else the moment; what is not kept has no element."""
    if p.ndim < 2:
        return {rows: np.zeros(0), columns: np.zeros(0), whole: np.zeros_like(p)}
    shape = p.shape
    return {rows: np.zeros((*shape[:-1], 1)), columns: np.zeros((*shape[:-2], 1, shape[-1])), whole: np.zeros(0)}


def update_factors(state: State, names: Names, x: Array, weight: float) -> None:
    """Move what is kept by `weight` towards `x` or its means."""
    rows, columns, whole = names
    if x.ndim < 2:
        state[whole] = state[whole] + weight * (x - state[whole])
        return
    state[rows] = state[rows] + weight * (x.mean(axis=-1, keepdims=True) - state[rows])
    state[columns] = state[columns] + weight * (x.mean(axis=-2, keepdims=True) - state[columns])


def over_root(x: Array, state: State, names: Names) -> Array:
    """Return `x` divided by the root of the moment, or of the matrix of rank one that stands for it."""
    rows, columns, whole = names
    if x.ndim < 2:
        return x / np.sqrt(state[whole])
    moment = state[rows] @ state[columns] / state[rows].mean(axis=-2, keepdims=True)
    return x / np.sqrt(moment)
