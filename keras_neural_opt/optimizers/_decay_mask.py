"""Which variables weight decay applies to."""

import re
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import keras

from keras_neural_opt._core.arguments import did_you_mean

Mask: TypeAlias = str | Sequence[str] | Callable[[Any], bool] | None
"""`None` (every variable), a preset, path patterns, or a function of the variable."""

PRESETS: dict[str, Callable[[Any], bool]] = {
    "no_bias": lambda variable: _name(variable) != "bias",
    # The scale of RMSNormalization is called `scale`; BatchNormalization and its relatives have `gamma` and `beta`.
    "no_norm_no_bias": lambda variable: _name(variable) not in ("bias", "gamma", "beta", "scale"),
    "matrices_only": lambda variable: len(variable.shape) >= 2,
}


def path_of(variable: Any) -> str:
    """Return the path of a Keras variable, or the name of a native one."""
    return str(getattr(variable, "path", variable.name))


def _name(variable: Any) -> str:
    return path_of(variable).rsplit("/", 1)[-1].split(":")[0]


def check_mask(owner: str, mask: Any) -> Mask:
    """Return `mask` in its canonical form, or raise `ValueError` in the words of `owner`.weight_decay_mask."""
    if mask is None or callable(mask):
        return mask
    if isinstance(mask, str):
        if mask in PRESETS:
            return mask
        near = did_you_mean(mask, PRESETS)
    elif isinstance(mask, (list, tuple)) and mask and all(isinstance(p, str) and _compiles(p) for p in mask):
        return list(mask)
    else:
        near = ""
    presets = ", ".join(repr(name) for name in PRESETS)
    raise ValueError(
        f"{owner}.weight_decay_mask must be None, one of {presets}, a list of regular expressions or a function of the"
        f" variable; received {mask!r}{near}"
    )


def _compiles(pattern: str) -> bool:
    try:
        re.compile(pattern.removeprefix("!"))
    except re.error:
        return False
    return bool(pattern.removeprefix("!"))


def is_decayed(mask: Mask, variable: Any) -> bool:
    """Return whether weight decay applies to `variable`.

    A list of patterns selects the variables whose path one of them is found in. A pattern that starts with `!` leaves
    such variables out, whatever the others say; a list of only such patterns selects all the rest.
    """
    if mask is None:
        return True
    if isinstance(mask, str):
        return PRESETS[mask](variable)
    if callable(mask):
        return bool(mask(variable))
    path = path_of(variable)
    if any(re.search(pattern[1:], path) for pattern in mask if pattern.startswith("!")):
        return False
    wanted = [pattern for pattern in mask if not pattern.startswith("!")]
    return not wanted or any(re.search(pattern, path) for pattern in wanted)


def leave_out(owner: str, mask: Mask, patterns: Sequence[str]) -> Mask:
    """Return `mask` with variables that match one of `patterns` left out."""
    if isinstance(mask, str) or callable(mask):
        raise ValueError(
            f"{owner}.exclude_from_weight_decay cannot be combined with weight_decay_mask={mask!r}; pass a list of"
            " patterns as weight_decay_mask instead"
        )
    new = [f"!{pattern}" for pattern in patterns]
    return [*(mask or []), *(pattern for pattern in new if pattern not in (mask or []))] or None


def mask_config(owner: str, mask: Mask) -> Any:
    """Return `mask` as JSON-ready data."""
    if not callable(mask):
        return mask
    if getattr(mask, "__name__", "") == "<lambda>":
        raise ValueError(
            f"{owner}.weight_decay_mask must be a registered function to be saved; received a lambda. Decorate a named"
            " function with @keras.saving.register_keras_serializable(), or use path patterns"
        )
    return keras.saving.serialize_keras_object(mask)
