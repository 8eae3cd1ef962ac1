"""Limits that a trial must keep to be among the best."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from optuna.trial import FrozenTrial

from keras_neural_opt._core.arguments import is_number


class Constraint(NamedTuple):
    """A metric that must be at most, or at least, a limit."""

    metric: str
    sign: float
    limit: float

    def excess(self, value: float) -> float:
        """Return by how much a value breaks it: at most 0 where it does not."""
        return self.sign * (value - self.limit)


_SIGNS = {"<=": 1.0, ">=": -1.0}


def constraints_of(given: Any) -> list[Constraint]:
    """Return the checked constraints of a mapping such as `{"params": ("<=", 1e5)}`, or of None.

    Raises:
        ValueError: It is something else.
    """
    if given is None:
        return []
    if not isinstance(given, Mapping) or not all(_is_constraint(name, pair) for name, pair in given.items()):
        raise ValueError(
            'OptunaOracle.constraints must be a mapping of metrics to ("<=", limit) or (">=", limit);'
            f" received {given!r}"
        )
    return [Constraint(name, _SIGNS[relation], float(limit)) for name, (relation, limit) in given.items()]


def _is_constraint(name: Any, pair: Any) -> bool:
    is_pair = isinstance(pair, (tuple, list)) and len(pair) == 2
    return isinstance(name, str) and is_pair and pair[0] in _SIGNS and is_number(pair[1])


def feasible(trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """Return the trials that keep all limits."""
    return [t for t in trials if all(excess <= 0 for excess in t.constraints.values())]
