"""Optuna's distributions as columns of numbers, and back; parameters that only some trials have, too."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from keras_neural_opt.hpo._gp import Array
from keras_neural_opt.hpo._gp_search import Column

_ENUMERABLE = 10_000  # an integer of more values is searched like a real number
_NEUTRAL = 0.5


class Parameter:
    """A parameter as a column: numbers scaled to [0, 1], in their logarithm where they are searched so.

    Args:
        distribution: What Optuna knows of it.
    """

    def __init__(self, distribution: BaseDistribution) -> None:
        self.distribution = distribution
        if isinstance(distribution, CategoricalDistribution):
            self.column = Column(np.arange(float(len(distribution.choices))), categorical=True)
            return
        if not isinstance(distribution, (FloatDistribution, IntDistribution)):
            raise TypeError(f"a distribution of this kind cannot be searched: {distribution}")
        step, self._log = distribution.step, distribution.log
        # Half a step beyond each end, so that rounding makes every value alike likely.
        self._ends = [
            self._scaled(distribution.low - (step or 0) / 2),
            self._scaled(distribution.high + (step or 0) / 2),
        ]
        count = round((distribution.high - distribution.low) / step) + 1 if step else math.inf
        self.column = Column(self._unit(self._values(np.arange(count))) if count <= _ENUMERABLE else None)

    def encode(self, value: Any) -> float:
        """Return the value in its column."""
        if isinstance(self.distribution, CategoricalDistribution):
            return float(self.distribution.to_internal_repr(value))
        return float(self.column.snapped(self._unit(np.array([float(value)])))[0])

    def decode(self, unit: float) -> Any:
        """Return the value that a number of the column stands for."""
        distribution, levels = self.distribution, self.column.levels
        if isinstance(distribution, CategoricalDistribution):
            return distribution.choices[int(unit)]
        if levels is not None:
            value = self._values(np.searchsorted(levels, unit))
        else:
            scaled = self._ends[0] + unit * (self._ends[1] - self._ends[0])
            value = math.exp(scaled) if self._log else scaled
        value = min(max(float(value), distribution.low), distribution.high)
        return round(value) if isinstance(distribution, IntDistribution) else value

    def _values(self, index: Any) -> Any:
        return self.distribution.low + index * self.distribution.step

    def _scaled(self, value: Any) -> Any:
        return np.log(value) if self._log else value

    def _unit(self, values: Array) -> Array:
        return np.clip((self._scaled(values) - self._ends[0]) / (self._ends[1] - self._ends[0]), 0.0, 1.0)


class ConditionalSpace:
    """The parameters of all trials, of which a trial may lack some.

    Whether a parameter is active is learned: from the discrete parameter whose values tell it best. What is inactive
    has the middle of its column, or a category of its own.

    Args:
        distributions: Of each parameter, in the order in which trials ask for them.
        trials: The parameters of the trials so far.
    """

    def __init__(self, distributions: Mapping[str, BaseDistribution], trials: Sequence[Mapping[str, Any]]) -> None:
        self._parameters = {name: Parameter(distribution) for name, distribution in distributions.items()}
        self.columns: Sequence[Column] = [parameter.column for parameter in self._parameters.values()]
        self.categorical = np.array([column.categorical for column in self.columns])
        self._neutral = np.array([-1.0 if c.categorical else c.snapped(np.array([_NEUTRAL]))[0] for c in self.columns])
        self._conditions = self._learned(trials)

    def encode(self, params: Mapping[str, Any]) -> Array:
        """Return the point of a trial, of shape `(columns,)`."""
        return np.array(
            [
                parameter.encode(params[name]) if name in params else neutral
                for (name, parameter), neutral in zip(self._parameters.items(), self._neutral, strict=True)
            ]
        )

    def decode(self, point: Array) -> dict[str, Any]:
        """Return the parameters of a point, but those that are inactive there."""
        active = self._active(point[None])[0]
        return {
            name: parameter.decode(value)
            for (name, parameter), value, used in zip(self._parameters.items(), point, active, strict=True)
            if used
        }

    def canonical(self, x: Array) -> Array:
        """Return the points, with what is inactive made neutral."""
        return np.where(self._active(x), x, self._neutral) if self._conditions else x

    def _active(self, x: Array) -> np.ndarray[Any, np.dtype[np.bool_]]:
        active = np.ones(x.shape, bool)
        for child, (parent, known) in self._conditions.items():
            keys = np.where(active[:, parent], x[:, parent], -1.0)
            active[:, child] = [known.get(key, True) for key in keys]
        return active

    def _learned(self, trials: Sequence[Mapping[str, Any]]) -> dict[int, tuple[int, dict[float, bool]]]:
        """Return, for each parameter that some trials lack, what tells whether it is active, and how."""
        names = list(self._parameters)
        has = np.array([[name in trial for name in names] for trial in trials], bool).reshape(-1, len(names))
        points = np.array([self.encode(trial) for trial in trials]).reshape(-1, len(names))
        keys = np.where(has, points, -1.0)
        conditions = {}
        for child in np.flatnonzero(~has.all(0)):
            # Parents are asked for before their children, so the order of conditions is that of evaluation.
            parents = [i for i in range(child) if self.columns[i].levels is not None and not self.columns[i].smooth]
            if parents:
                told = [_told(keys[:, parent], has[:, child]) for parent in parents]
                best = min(range(len(parents)), key=lambda i: told[i][0])
                conditions[int(child)] = (parents[best], told[best][1])
        return conditions


def _told(keys: Array, active: np.ndarray[Any, np.dtype[np.bool_]]) -> tuple[float, dict[float, bool]]:
    """Return how badly the keys tell what is active, and what each says; a key costs, or rare ones would tell best."""
    cost, known = 0.0, {}
    for key in np.unique(keys):
        here = active[keys == key]
        cost += min(here.sum(), (~here).sum()) + 0.5
        known[float(key)] = bool(here.mean() >= 0.5)
    return cost, known
