"""The kinds of hyperparameters, by name."""

import math
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from keras_neural_opt._core.arguments import did_you_mean, is_number
from keras_neural_opt.hpo._parameter import Condition, Normal, Parameter

# A quantile of 0 or 1 would be infinite: these are about 5 standard deviations from the mean.
_QUANTILES = FloatDistribution(2.9e-7, 1 - 2.9e-7)


def parameter(name: Any, kind: Any, *arguments: Any, when: Any = None) -> Parameter:
    """Return a checked parameter.

    Args:
        name: Its name.
        kind: A name of `KINDS`.
        *arguments: What the kind takes.
        when: None, or `(parent, value)` or `(parent, [values])`, or a list of these: it counts only then.

    Raises:
        ValueError: Anything breaks its rule.
    """
    if not isinstance(name, str) or not name.strip():
        raise ValueError(f"search_space.name must be a non-empty string; received {name!r}")
    if not isinstance(kind, str) or kind not in KINDS:
        names = ", ".join(map(repr, KINDS))
        raise _error(name, f"be of a kind among {names}", kind, did_you_mean(kind, KINDS))
    make, usage = KINDS[kind]
    try:
        return make(name, _conditions(name, when), *arguments)
    except TypeError:
        raise _error(name, f"be ({name!r}, {kind!r}, {usage})", (name, kind, *arguments)) from None


def _error(name: str, rule: str, received: Any, hint: str = "") -> ValueError:
    return ValueError(f"search_space.{name} must {rule}; received {received!r}{hint}")


def _conditions(name: str, when: Any) -> tuple[Condition, ...]:
    if when is None:
        return ()
    pairs = when if isinstance(when, list) else [when]
    if not all(isinstance(pair, (tuple, list)) and len(pair) == 2 and isinstance(pair[0], str) for pair in pairs):
        raise _error(name, 'have a `when` such as ("optimizer", "sgd") or ("optimizer", ["sgd", "adam"])', when)
    return tuple(Condition(parent, tuple(_listed(values))) for parent, values in pairs)


def _listed(values: Any) -> Sequence[Any]:
    return values if isinstance(values, (list, tuple)) and values else [values]


def _bounds(name: str, low: Any, high: Any, log: bool, whole: bool = False) -> None:
    if not is_number(low) or not is_number(high) or low >= high:
        raise _error(name, "have finite numbers low < high", (low, high))
    if log and low <= 0:
        raise _error(name, "have low > 0 on a logarithmic scale", (low, high))
    if whole and (int(low) != low or int(high) != high):
        raise _error(name, "have integers low and high", (low, high))


def _step(name: str, step: Any, low: float, high: float, whole: bool = False) -> None:
    if not is_number(step) or not 0 < step <= high - low or (whole and int(step) != step):
        raise _error(name, f"have {'an integer' if whole else 'a'} step from 0 to high - low, above 0", step)


def _uniform(name: str, when: tuple[Condition, ...], low: Any, high: Any) -> Parameter:
    _bounds(name, low, high, log=False)
    return Parameter(name, FloatDistribution(float(low), float(high)), when)


def _log_uniform(name: str, when: tuple[Condition, ...], low: Any, high: Any) -> Parameter:
    _bounds(name, low, high, log=True)
    return Parameter(name, FloatDistribution(float(low), float(high), log=True), when)


def _quantized(name: str, when: tuple[Condition, ...], low: Any, high: Any, step: Any) -> Parameter:
    _bounds(name, low, high, log=False)
    _step(name, step, low, high)
    return Parameter(name, FloatDistribution(float(low), last_of(low, high, step), step=float(step)), when)


def _int(name: str, when: tuple[Condition, ...], low: Any, high: Any, step: Any = 1) -> Parameter:
    _bounds(name, low, high, log=False, whole=True)
    _step(name, step, low, high, whole=True)
    return Parameter(name, IntDistribution(int(low), int(last_of(low, high, step)), step=int(step)), when)


def _log_int(name: str, when: tuple[Condition, ...], low: Any, high: Any) -> Parameter:
    _bounds(name, low, high, log=True, whole=True)
    return Parameter(name, IntDistribution(int(low), int(high), log=True), when)


def _categorical(name: str, when: tuple[Condition, ...], choices: Any) -> Parameter:
    if isinstance(choices, Mapping):
        labels = list(choices)
        return Parameter(name, _labels(name, labels), when, objects=dict(choices))
    return Parameter(name, _labels(name, choices), when)


def _labels(name: str, choices: Any) -> BaseDistribution:
    if not isinstance(choices, (list, tuple)) or not choices:
        raise _error(name, "have a list of choices, at least one, or a mapping of labels to objects", choices)
    if not all(c is None or isinstance(c, (bool, int, float, str)) for c in choices):
        raise _error(name, "have choices that are numbers, strings, bools or None, or a mapping of labels", choices)
    if any(isinstance(c, float) and not math.isfinite(c) for c in choices):
        raise _error(name, "have finite choices", choices)
    if len(set(choices)) < len(choices):
        raise _error(name, "have choices that all differ", choices)
    return CategoricalDistribution(tuple(choices))


def _boolean(name: str, when: tuple[Condition, ...]) -> Parameter:
    return Parameter(name, CategoricalDistribution((False, True)), when)


def _normal(name: str, when: tuple[Condition, ...], mean: Any, deviation: Any) -> Parameter:
    if not is_number(mean) or not is_number(deviation) or deviation <= 0:
        raise _error(name, "have a finite mean and a standard deviation > 0", (mean, deviation))
    return Parameter(name, _QUANTILES, when, reading=Normal(float(mean), float(deviation)))


def last_of(low: float, high: float, step: float) -> float:
    """Return the last of `low, low + step, ...` that is at most `high`, as a range ends."""
    # In decimal, as Optuna does: 0.3 goes three times into 0.9.
    first, end, width = (Decimal(str(x)) for x in (low, high, step))
    return float(first + (end - first) // width * width)


KINDS: dict[str, tuple[Callable[..., Parameter], str]] = {
    "uniform": (_uniform, "low, high"),
    "log_uniform": (_log_uniform, "low, high"),
    "quantized": (_quantized, "low, high, step"),
    "int": (_int, "low, high[, step]"),
    "log_int": (_log_int, "low, high"),
    "categorical": (_categorical, "[choices]"),
    "boolean": (_boolean, ""),
    "normal": (_normal, "mean, standard_deviation"),
}
