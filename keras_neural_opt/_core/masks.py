"""Which variables something applies to: weight decay, trust ratios, a transform."""

import re
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import keras

from keras_neural_opt._core.arguments import Argument, did_you_mean

Mask: TypeAlias = str | Sequence[str] | Callable[[Any], bool] | None
"""`None` (every variable), a preset, path patterns, or a function of the variable."""

# What a dropout layer learns of its own rate is no weight: to pull it to 0 would mean some rate, which nobody chose.
_RATES = ("rate_logit", "log_variance")

PRESETS: dict[str, Callable[[Any], bool]] = {
    "no_bias": lambda variable: _name(variable) not in ("bias", *_RATES),
    # The scale of RMSNormalization is called `scale`; BatchNormalization and its relatives have `gamma` and `beta`.
    "no_norm_no_bias": lambda variable: _name(variable) not in ("bias", "gamma", "beta", "scale", *_RATES),
    "matrices_only": lambda variable: len(variable.shape) >= 2 and not is_rate(variable),
}


def is_rate(variable: Any) -> bool:
    """Return whether it is what a dropout layer learns of its own rate, and no weight."""
    return _name(variable) in _RATES


def path_of(variable: Any) -> str:
    """Return the path of a Keras variable, or the name of what has none: a native one. A string is a path."""
    if isinstance(variable, str):
        return variable
    return str(getattr(variable, "path", None) or variable.name)


def _name(variable: Any) -> str:
    return path_of(variable).rsplit("/", 1)[-1].split(":")[0]


def mask(value: Any) -> Argument:
    """A choice of variables: None (all), a preset, a list of patterns or a function."""
    presets = ", ".join(repr(name) for name in PRESETS)
    rule = f"None, one of {presets}, a list of regular expressions or a function of the variable"
    return Argument(value, rule, _convert, did_you_mean(value, PRESETS))


def patterns(value: Any) -> Argument:
    """A choice of variables or layers by path alone: None (all) or a list of patterns."""

    def convert(given: Any) -> Mask:
        if given is not None and not isinstance(given, (list, tuple)):
            raise ValueError
        return _convert(given)

    return Argument(value, "None or a list of regular expressions", convert)


def _convert(value: Any) -> Mask:
    if value is None or callable(value) or (isinstance(value, str) and value in PRESETS):
        return value
    if isinstance(value, (list, tuple)) and value and all(isinstance(p, str) and _compiles(p) for p in value):
        return list(value)
    raise ValueError


def _compiles(pattern: str) -> bool:
    try:
        re.compile(pattern.removeprefix("!"))
    except re.error:
        return False
    return bool(pattern.removeprefix("!"))


def selects(mask: Mask, variable: Any) -> bool:
    """Return whether `mask` chooses `variable`.

    A list of patterns selects the variables whose path one of them is found in. A pattern that starts with `!` leaves
    such variables out, whatever the others say; a list of only such patterns selects all the rest.
    """
    return judged(mask, variable)[0]


def judged(mask: Mask, variable: Any) -> tuple[bool, str]:
    """Return whether `mask` chooses `variable`, and why; without a mask there is nothing to say."""
    if mask is None:
        return True, ""
    if isinstance(mask, str):
        chosen = PRESETS[mask](variable)
        return chosen, "" if chosen else f"{mask!r} leaves it out"
    if callable(mask):
        chosen = bool(mask(variable))
        return chosen, f"{getattr(mask, '__name__', type(mask).__name__)} says {chosen}"
    path = path_of(variable)
    for pattern in mask:
        if pattern.startswith("!") and re.search(pattern[1:], path):
            return False, f"{pattern!r} leaves it out"
    wanted = [pattern for pattern in mask if not pattern.startswith("!")]
    for pattern in wanted:
        if re.search(pattern, path):
            return True, f"{pattern!r} is in its path"
    return not wanted, f"none of {wanted} is in its path" if wanted else ""


def leave_out(owner: str, mask: Mask, patterns: Sequence[str]) -> Mask:
    """Return `mask` with variables that match one of `patterns` left out."""
    if isinstance(mask, str) or callable(mask):
        raise ValueError(
            f"{owner}.exclude_from_weight_decay cannot be combined with weight_decay_mask={mask!r}; pass a list of"
            " patterns as weight_decay_mask instead"
        )
    new = [f"!{pattern}" for pattern in patterns]
    return [*(mask or []), *(pattern for pattern in new if pattern not in (mask or []))] or None


def mask_config(owner: str, name: str, mask: Mask) -> Any:
    """Return `mask`, the argument called `name`, as JSON-ready data."""
    if not callable(mask):
        return mask
    if getattr(mask, "__name__", "") == "<lambda>":
        raise ValueError(
            f"{owner}.{name} must be a registered function to be saved; received a lambda. Decorate a named function"
            " with @keras.saving.register_keras_serializable(), or use path patterns"
        )
    return keras.saving.serialize_keras_object(mask)
