"""The search space: hyperparameters in an order in which parents come first."""

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from keras_neural_opt._core.arguments import did_you_mean
from keras_neural_opt.hpo._kinds import parameter
from keras_neural_opt.hpo._parameter import Parameter

# More configurations than that are not worth listing: chance does not meet one twice.
_LISTED = 20_000


class SearchSpace:
    """The hyperparameters that a search varies.

    Args:
        parameters: Tuples `(name, kind, ...)`:

            - `("x", "uniform", low, high)` and `("x", "log_uniform", low, high)`: a number, low < high; both included.
            - `("x", "quantized", low, high, step)`: `low, low + step, ...` up to `high`.
            - `("n", "int", low, high)`, with a step or without, and `("n", "log_int", low, high)`: both included.
            - `("c", "categorical", [choices])`: numbers, strings, bools and None; or a mapping of labels to objects.
            - `("b", "boolean")`.
            - `("z", "normal", mean, standard_deviation)`.

            A mapping `{"when": ("optimizer", "sgd")}` at the end makes a hyperparameter conditional: it counts only
            where the parent, which must come before, has that value, or one of a list of values. Or a mapping of names
            to `(kind, ...)`.

    Raises:
        ValueError: A hyperparameter breaks its rule.

    Example:
        >>> import keras_neural_opt as kno
        >>> space = kno.hpo.SearchSpace([
        ...     ("learning_rate", "log_uniform", 1e-5, 1e-1),
        ...     ("optimizer", "categorical", ["adamw", "sgd"]),
        ...     ("momentum", "uniform", 0.0, 0.99, {"when": ("optimizer", "sgd")}),
        ... ])
        >>> space.names
        ['learning_rate', 'optimizer', 'momentum']
    """

    def __init__(self, parameters: Any) -> None:
        self.parameters: list[Parameter] = []
        for each in _entries(parameters):
            self.add(each)

    @property
    def names(self) -> list[str]:
        """The names, in order."""
        return [p.name for p in self.parameters]

    def __iter__(self) -> Iterator[Parameter]:
        return iter(self.parameters)

    def __len__(self) -> int:
        return len(self.parameters)

    def by_key(self) -> dict[str, Parameter]:
        """Return the parameters by what Optuna calls them."""
        return {p.key: p for p in self.parameters}

    def add(self, new: Parameter) -> None:
        """Append a parameter.

        Raises:
            ValueError: There is one of this name that can count at the same time, or a condition is about nothing.
        """
        if any(p.key == new.key for p in self.parameters):
            raise ValueError(f"search_space.{new.name} must be there once; received it twice")
        for parent, values in new.when:
            parents = [p for p in self.parameters if p.name == parent]
            if not parents:
                hint = did_you_mean(parent, self.names)
                raise ValueError(
                    f"search_space.{new.name} must have a `when` about one before it; received {parent!r}{hint}"
                )
            impossible = [v for v in values if not any(p.accepts(v) for p in parents)]
            if impossible:
                raise ValueError(
                    f"search_space.{new.name} must have a `when` with values that {parent!r} can have;"
                    f" received {impossible[0]!r}"
                )
        self.parameters.append(new)

    def values(self, drawn: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values by name of what Optuna drew, without those that do not count."""
        values: dict[str, Any] = {}
        for p in self.parameters:
            if p.key in drawn and p.counts(values):
                values[p.name] = p.value(drawn[p.key])
        return values

    def drawn(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return what Optuna must draw to mean these values.

        Raises:
            ValueError: A name is unknown, or it cannot have the value.
        """
        unknown = next((name for name in values if name not in self.names), None)
        if unknown is not None:
            raise ValueError(
                f"search_space must have {unknown!r}, which a point names; received the names"
                f" {self.names}{did_you_mean(unknown, self.names)}"
            )
        drawn = {}
        for p in self.parameters:
            if p.name in values and p.counts(values):
                if not p.accepts(values[p.name]):
                    raise ValueError(
                        f"search_space.{p.name} must have values of {p.distribution}; received {values[p.name]!r}"
                    )
                drawn[p.key] = p.drawn(values[p.name])
        return drawn

    def configurations(self) -> list[dict[str, Any]] | None:
        """Return all that can be drawn, or None where that is not finite or more than anybody would try."""
        choices = [p.choices() for p in self.parameters]
        if any(c is None for c in choices) or math.prod(len(c or ()) for c in choices) > _LISTED:
            return None
        found: dict[tuple[Any, ...], dict[str, Any]] = {}
        for combination in itertools.product(*(c or () for c in choices)):
            drawn = self.counting(dict(zip(self.by_key(), combination, strict=True)))
            found.setdefault(tuple(drawn.items()), drawn)
        return list(found.values())

    def counting(self, drawn: Mapping[str, Any]) -> dict[str, Any]:
        """Return those of what was drawn that count."""
        values: dict[str, Any] = {}
        counting = {}
        for p in self.parameters:
            if p.key in drawn and p.counts(values):
                values[p.name] = p.value(drawn[p.key])
                counting[p.key] = drawn[p.key]
        return counting


def _entries(parameters: Any) -> Iterable[Parameter]:
    if isinstance(parameters, SearchSpace):
        return parameters.parameters
    if isinstance(parameters, Mapping):
        parameters = [
            (name, *(entry if isinstance(entry, (tuple, list)) else (entry,))) for name, entry in parameters.items()
        ]
    if not isinstance(parameters, (list, tuple)) or not parameters:
        raise ValueError(
            f"search_space must be a list of tuples (name, kind, ...), at least one; received {parameters!r}"
        )
    return [_entry(entry) for entry in parameters]


def _entry(entry: Any) -> Parameter:
    if isinstance(entry, Parameter):
        return entry
    if not isinstance(entry, (tuple, list)) or len(entry) < 2:
        raise ValueError(f"search_space must have tuples (name, kind, ...); received {entry!r}")
    if isinstance(entry[-1], Mapping) and set(entry[-1]) == {"when"}:
        return parameter(*entry[:-1], **entry[-1])
    return parameter(*entry)
