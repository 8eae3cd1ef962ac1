"""Checks of constructor arguments, with one wording for every error."""

import difflib
import inspect
import math
import numbers
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Argument:
    """A value as the user gave it, what it must be in words, how it is checked, and a hint for when it is bad."""

    value: Any
    rule: str
    convert: Callable[[Any], Any]
    hint: str = ""

    def check(self, owner: str, name: str) -> Any:
        """Return the converted value; raise `ValueError` naming `owner`, `name`, the rule and the value."""
        try:
            return self.convert(self.value)
        except (TypeError, ValueError, OverflowError):
            # The cause says nothing that the rule does not say better.
            raise ValueError(f"{owner}.{name} must be {self.rule}; received {self.value!r}{self.hint}") from None


def is_number(value: Any) -> bool:
    """Whether `value` is a finite real number: an int, a float or a NumPy scalar, but no bool."""
    return isinstance(value, numbers.Real) and not isinstance(value, bool) and math.isfinite(value)


def _number(value: Any, rule: str, accepts: Callable[[float], bool]) -> Argument:
    def convert(given: Any) -> float:
        if not is_number(given) or not accepts(float(given)):
            raise ValueError
        return float(given)

    return Argument(value, rule, convert)


def fraction(value: Any) -> Argument:
    """A number that may be 0 but not 1, such as the decay of a moving average."""
    return _number(value, "a number in [0, 1)", lambda x: 0.0 <= x < 1.0)


def closed_fraction(value: Any) -> Argument:
    """A number from 0 to 1, both included."""
    return _number(value, "a number in [0, 1]", lambda x: 0.0 <= x <= 1.0)


def positive_fraction(value: Any) -> Argument:
    """A number that may be 1 but not 0, such as a part of a way."""
    return _number(value, "a number in (0, 1]", lambda x: 0.0 < x <= 1.0)


def open_fraction(value: Any) -> Argument:
    """A number between 0 and 1, neither of them."""
    return _number(value, "a number in (0, 1)", lambda x: 0.0 < x < 1.0)


def percentage(value: Any) -> Argument:
    """A number of hundredths that may be all but not none, such as a percentile."""
    return _number(value, "a number in (0, 100]", lambda x: 0.0 < x <= 100.0)


def positive(value: Any) -> Argument:
    """A number above 0."""
    return _number(value, "a number > 0", lambda x: x > 0.0)


def nonnegative(value: Any) -> Argument:
    """A number that is at least 0."""
    return _number(value, "a number >= 0", lambda x: x >= 0.0)


def negative(value: Any) -> Argument:
    """A number below 0."""
    return _number(value, "a number < 0", lambda x: x < 0.0)


def finite(value: Any) -> Argument:
    """Any number but an infinite one or NaN."""
    return _number(value, "a finite number", lambda x: True)


def integer(value: Any, minimum: int, maximum: int | None = None) -> Argument:
    """An integer from `minimum` to `maximum`, both included, or without an upper bound."""

    def convert(given: Any) -> int:
        if not isinstance(given, numbers.Integral) or isinstance(given, bool):
            raise ValueError
        number = int(given)
        if number < minimum or (maximum is not None and number > maximum):
            raise ValueError
        return number

    rule = f"an integer >= {minimum}" if maximum is None else f"an integer from {minimum} to {maximum}"
    return Argument(value, rule, convert)


def flag(value: Any) -> Argument:
    """`True` or `False`, and nothing that only looks like it."""

    def convert(given: Any) -> bool:
        if type(given).__name__ not in ("bool", "bool_"):
            raise ValueError
        return bool(given)

    return Argument(value, "True or False", convert)


def text(value: Any) -> Argument:
    """A non-empty string."""

    def convert(given: Any) -> str:
        if not isinstance(given, str) or not given:
            raise ValueError
        return given

    return Argument(value, "a non-empty string", convert)


def choice(value: Any, options: Iterable[str]) -> Argument:
    """One of a few strings; the error names them and the nearest one."""
    options = tuple(options)

    def convert(given: Any) -> str:
        if not isinstance(given, str) or given not in options:
            raise ValueError
        return given

    names = ", ".join(repr(option) for option in options)
    return Argument(value, f"one of {names}", convert, did_you_mean(value, options))


def optional(argument: Argument) -> Argument:
    """The same argument, or `None`."""

    def convert(given: Any) -> Any:
        return None if given is None else argument.convert(given)

    return Argument(argument.value, f"None or {argument.rule}", convert, argument.hint)


def check_arguments(owner: str, **arguments: Argument) -> dict[str, Any]:
    """Return the converted value of every argument; raise `ValueError` for the first that breaks its rule."""
    return {name: argument.check(owner, name) for name, argument in arguments.items()}


def did_you_mean(name: Any, candidates: Iterable[str]) -> str:
    """Return `"; did you mean X?"` for the candidate nearest to `name`, or `""`."""
    if not isinstance(name, str):
        return ""
    by_spelling = {_spelling(candidate): candidate for candidate in candidates}
    near = difflib.get_close_matches(_spelling(name), by_spelling, n=1, cutoff=0.6)
    return f"; did you mean {by_spelling[near[0]]}?" if near else ""


def _spelling(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "")


def refuse_unknown(made: Any, base: type, unknown: dict[str, Any]) -> None:
    """Raise `ValueError` for the first argument that neither its class nor a base of it up to `base` take."""
    if not unknown:
        return
    owner, name = type(made).__name__, next(iter(unknown))
    accepted = [p for c in type(made).__mro__ if issubclass(c, base) for p in _parameters(c.__init__)]
    raise ValueError(
        f"{owner}.{name} must be an argument of {owner}; received {unknown[name]!r}{did_you_mean(name, accepted)}"
    )


def _parameters(function: Callable[..., Any]) -> list[str]:
    return [name for name in inspect.signature(function).parameters if name not in ("self", "kwargs", "unknown")]


class Configurable:
    """Keeps checked hyperparameters as attributes and gives them back for `get_config`."""

    _hyperparameter_names: tuple[str, ...] = ()

    def set_hyperparameters(self, **arguments: Argument) -> None:
        """Check every argument, then set each as an attribute of that name.

        Args:
            **arguments: Hyperparameters wrapped by a check such as `fraction(beta_1)` or `positive(epsilon)`.

        Raises:
            ValueError: An argument breaks its rule. Nothing was set then.
        """
        values = check_arguments(type(self).__name__, **arguments)
        for name, value in values.items():
            setattr(self, name, value)
        self._hyperparameter_names = (*self._hyperparameter_names, *values)

    def hyperparameters(self) -> dict[str, Any]:
        """Return the current value of every hyperparameter, by name."""
        return {name: getattr(self, name) for name in self._hyperparameter_names}
