"""One hyperparameter: what Optuna draws for it, how that is read, and when it counts."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
    distribution_to_json,
    json_to_distribution,
)
from scipy.special import ndtr, ndtri


class Condition(NamedTuple):
    """The parent that must have one of these values."""

    parent: str
    values: tuple[Any, ...]


@dataclass(frozen=True)
class Normal:
    """Read as a quantile of a normal distribution."""

    mean: float
    deviation: float

    def value(self, drawn: Any) -> float:
        """Return what was meant by what was drawn."""
        return float(self.mean + self.deviation * ndtri(drawn))

    def drawn(self, value: Any) -> float:
        """Return what must be drawn to mean that value."""
        return float(ndtr((value - self.mean) / self.deviation))


@dataclass(frozen=True)
class Mirrored:
    """Read from the other end, so that values near the upper one are drawn most often."""

    total: float

    def value(self, drawn: Any) -> Any:
        """Return what was meant by what was drawn."""
        return self.total - drawn

    def drawn(self, value: Any) -> Any:
        """Return what must be drawn to mean that value."""
        return self.total - value


_READINGS: dict[str, type[Normal | Mirrored]] = {"normal": Normal, "mirrored": Mirrored}


@dataclass(frozen=True)
class Parameter:
    """A hyperparameter of a search.

    Args:
        name: What the user calls it.
        distribution: What Optuna draws.
        when: The conditions that must all hold for it to count.
        reading: How what is drawn is read; None: as it is.
        objects: What the choices stand for, where they are labels.
        key: What Optuna calls it: conditional parameters of one name are different ones.
    """

    name: str
    distribution: BaseDistribution
    when: tuple[Condition, ...] = ()
    reading: Normal | Mirrored | None = None
    objects: Mapping[str, Any] | None = field(default=None, compare=False)
    key: str = ""

    def __post_init__(self) -> None:
        if not self.key:
            object.__setattr__(self, "key", self.name)

    def value(self, drawn: Any) -> Any:
        """Return the value that was meant by what Optuna drew: a number, a string, a bool or None."""
        return drawn if self.reading is None else self.reading.value(drawn)

    def drawn(self, value: Any) -> Any:
        """Return what Optuna must draw to mean `value`."""
        return value if self.reading is None else self.reading.drawn(value)

    def object(self, value: Any) -> Any:
        """Return what a label stands for, and any other value as it is."""
        return value if self.objects is None else self.objects[value]

    def counts(self, values: Mapping[str, Any]) -> bool:
        """Whether its conditions hold among the values by name."""
        return all(parent in values and values[parent] in allowed for parent, allowed in self.when)

    def accepts(self, value: Any) -> bool:
        """Whether it can have that value."""
        try:
            drawn = self.drawn(value)
            return bool(self.distribution._contains(self.distribution.to_internal_repr(drawn)))
        except (TypeError, ValueError):
            return False

    def choices(self) -> tuple[Any, ...] | None:
        """Return all that Optuna can draw, or None where that is not finite."""
        d = self.distribution
        if isinstance(d, CategoricalDistribution):
            return tuple(d.choices)
        if isinstance(d, IntDistribution):
            return tuple(range(d.low, d.high + 1, d.step))
        if isinstance(d, FloatDistribution) and d.step is not None:
            count = round((d.high - d.low) / d.step) + 1
            # As Optuna rounds, so that what is drawn is found again.
            return tuple(min(max(round(i) * d.step + d.low, d.low), d.high) for i in range(count))
        return (d.low,) if d.single() else None

    def to_json(self) -> str:
        """Return it without its objects, which belong to the program."""
        reading = None
        if self.reading is not None:
            kind = next(name for name, cls in _READINGS.items() if isinstance(self.reading, cls))
            reading = {"kind": kind, **vars(self.reading)}
        return json.dumps(
            {
                "name": self.name,
                "key": self.key,
                "distribution": json.loads(distribution_to_json(self.distribution)),
                "when": [[parent, list(values)] for parent, values in self.when],
                "reading": reading,
            }
        )

    @classmethod
    def from_json(cls, text: str) -> "Parameter":
        """Return what `to_json` wrote."""
        state = json.loads(text)
        reading = state["reading"]
        if reading is not None:
            reading = _READINGS[reading.pop("kind")](**reading)
        return cls(
            state["name"],
            json_to_distribution(json.dumps(state["distribution"])),
            tuple(Condition(parent, tuple(values)) for parent, values in state["when"]),
            reading,
            key=state["key"],
        )


def is_finite(value: Any) -> bool:
    """Whether a value is a finite number: what diverged is not."""
    return value is not None and math.isfinite(value)
