"""Where a function over numbers and categories is largest, among the points that were not tried."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy import optimize, special

from keras_neural_opt.hpo._gp import Array, GaussianProcess, log_expected_improvement, log_improvement_slope

_ENUMERATED = 5000  # a space of no more points is searched whole
_RANDOM, _NEIGHBOURS, _REFINED, _ROUNDS, _CLIMB = 1000, 500, 4, 4, 30
_MANY_LEVELS = 64  # of more only the nearest are tried, and the slope shows the way to the others


@dataclass(frozen=True)
class Column:
    """One input of the function.

    Args:
        levels: The values that it can take, ascending: of a number in [0, 1], each in the middle of the part of [0, 1]
            that is its own; of a category its codes 0, 1, ... `None` says any number in [0, 1].
        categorical: Whether the values have no order.
    """

    levels: Array | None = None
    categorical: bool = False

    @property
    def smooth(self) -> bool:
        """Whether a slope is of use."""
        return self.levels is None or (not self.categorical and len(self.levels) > _MANY_LEVELS)

    def snapped(self, values: Array) -> Array:
        """Return the nearest value that can be taken, to each number."""
        if self.levels is None:
            return np.clip(values, 0.0, 1.0)
        middles = (self.levels[1:] + self.levels[:-1]) / 2.0
        return self.levels[np.searchsorted(middles, values)]

    def from_uniform(self, values: Array) -> Array:
        """Return a value that can be taken for each number in [0, 1)."""
        if self.categorical and self.levels is not None:
            return self.levels[(values * len(self.levels)).astype(int)]
        return self.snapped(values)


class Space(Protocol):
    """Columns, and which points mean the same."""

    columns: Sequence[Column]

    def canonical(self, x: Array) -> Array:
        """Return the points, those that mean the same made equal."""


class Acquisition:
    """The logarithm of the expected improvement times the probability that every constraint holds.

    Args:
        process: What is believed of the objective, of which less is better.
        best: What is to be improved on.
        constraints: What is believed of each constraint, and up to which value it holds.
    """

    def __init__(
        self, process: GaussianProcess, best: float, constraints: Sequence[tuple[GaussianProcess, float]] = ()
    ) -> None:
        self._process, self._best, self._constraints = process, best, constraints

    def __call__(self, x: Array) -> Array:
        """Return the value at each row."""
        value = log_expected_improvement(*self._process.predict(x), self._best)
        for process, limit in self._constraints:
            mean, deviation = process.predict(x)
            value += special.log_ndtr((limit - mean) / deviation)
        return value

    def with_gradient(self, x: Array) -> tuple[float, Array]:
        """Return value and gradient at one point."""
        mean, deviation, d_mean, d_deviation = self._process.predict_with_gradient(x)
        z = (self._best - mean) / deviation
        value = float(log_expected_improvement(np.array([mean]), np.array([deviation]), self._best)[0])
        slope = float(log_improvement_slope(np.array([z]))[0])
        gradient = d_deviation / deviation - slope * (d_mean + z * d_deviation) / deviation
        for process, limit in self._constraints:
            mean, deviation, d_mean, d_deviation = process.predict_with_gradient(x)
            z = (limit - mean) / deviation
            log_probability = float(special.log_ndtr(z))
            value += log_probability
            slope = math.exp(-0.5 * z * z - log_probability) / math.sqrt(2.0 * math.pi)
            gradient = gradient - slope * (d_mean + z * d_deviation) / deviation
        return value, gradient


def maximise(acquisition: Acquisition, space: Space, seen: Array, good: Array, rng: np.random.Generator) -> Array:
    """Return the point of largest value that was not seen, or of all points where all were.

    Args:
        acquisition: What to maximise.
        space: What the columns can take.
        seen: Points that need no second trial, of shape `(points, columns)`.
        good: Points near which to look.
        rng: Draws where else to look.
    """
    points = whole(space)
    if points is None:
        drawn = random_points(space.columns, _RANDOM, rng)
        near = neighbours(space.columns, good[rng.integers(len(good), size=_NEIGHBOURS)], rng)
        points = space.canonical(np.vstack([drawn, near]))
        starts = _separate(points, acquisition(points))
        points = np.vstack([*(_refined(acquisition, space, start) for start in starts), points])
    new = without(points, seen)
    if not len(new):
        new = untried(space, seen, rng)
    return new[int(np.argmax(acquisition(new)))]


def whole(space: Space) -> Array | None:
    """Return every point of a small space, of shape `(points, columns)`; of a large one `None`."""
    levels = [column.levels for column in space.columns if column.levels is not None]
    if len(levels) < len(space.columns) or math.prod(len(each) for each in levels) > _ENUMERATED:
        return None
    return np.unique(space.canonical(np.array(list(itertools.product(*levels)))), axis=0)


def untried(space: Space, seen: Array, rng: np.random.Generator) -> Array:
    """Return points that were not seen, or where there are none, that were."""
    points = whole(space)
    if points is None:
        points = space.canonical(random_points(space.columns, _RANDOM, rng))
    new = without(points, seen)
    return new if len(new) else points


def without(points: Array, seen: Array) -> Array:
    """Return the points that are not among those seen."""
    known = {row.tobytes() for row in seen}
    return points[np.array([row.tobytes() not in known for row in points], dtype=bool)]


def random_points(columns: Sequence[Column], count: int, rng: np.random.Generator) -> Array:
    """Return points, of shape `(count, columns)`, all values of a column alike likely."""
    drawn = rng.random((count, len(columns)))
    return np.stack([column.from_uniform(drawn[:, i]) for i, column in enumerate(columns)], 1)


def neighbours(columns: Sequence[Column], points: Array, rng: np.random.Generator) -> Array:
    """Return a neighbour of each point: some of its columns moved, a little or far."""
    moved = np.less(rng.random(points.shape), max(0.5, 1.0 / len(columns)))
    step = 10.0 ** rng.uniform(-3.0, -0.5, (len(points), 1)) * rng.standard_normal(points.shape)
    anew = random_points(columns, len(points), rng)
    result = points.copy()
    for i, column in enumerate(columns):
        near = anew[:, i] if column.categorical else column.snapped(points[:, i] + step[:, i])
        result[:, i] = np.where(moved[:, i], near, points[:, i])
    return result


def _separate(points: Array, values: Array) -> Array:
    """Return the best points that are not all in one place."""
    chosen: list[Array] = []
    for i in np.argsort(-values, kind="stable"):
        if all(np.abs(points[i] - other).max() > 0.1 for other in chosen):
            chosen.append(points[i])
        if len(chosen) == _REFINED:
            break
    return np.array(chosen)


def _refined(acquisition: Acquisition, space: Space, x: Array) -> Array:
    """Return where climbing from `x` ends: along the slope, then by the best change of one discrete column."""
    value = -math.inf
    for _ in range(_ROUNDS):
        x = _climbed(acquisition, space, x)
        moves = _single_moves(space.columns, x)
        options = np.vstack([x[None], space.canonical(moves)]) if len(moves) else x[None]
        values = acquisition(options)
        best = int(np.argmax(values))
        x = options[best]
        if best == 0 or values[best] <= value + 1e-6:
            break
        value = float(values[best])
    return x


def _climbed(acquisition: Acquisition, space: Space, x: Array) -> Array:
    smooth = np.array([column.smooth for column in space.columns])
    if not smooth.any():
        return x
    point = x.copy()

    def negative(part: Array) -> tuple[float, Array]:
        point[smooth] = part
        value, gradient = acquisition.with_gradient(point)
        return -value, -gradient[smooth]

    bounds = [(0.0, 1.0)] * int(smooth.sum())
    found = optimize.minimize(
        negative, x[smooth], jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": _CLIMB}
    )
    point[smooth] = found.x
    for i, column in enumerate(space.columns):
        point[i] = column.snapped(point[i : i + 1])[0] if column.smooth else point[i]
    return space.canonical(point[None])[0]


def _single_moves(columns: Sequence[Column], x: Array) -> Array:
    """Return every point that differs from `x` in one discrete column; of many levels the nearest ones."""
    moves = []
    for i, column in enumerate(columns):
        if column.levels is None:
            continue
        levels = column.levels
        if column.smooth:
            at = int(np.searchsorted(levels, x[i]))
            levels = levels[max(at - 2, 0) : at + 3]
        changed = np.repeat(x[None], len(levels), 0)
        changed[:, i] = levels
        moves.append(changed[levels != x[i]])
    return np.vstack(moves) if moves else x[None][:0]
