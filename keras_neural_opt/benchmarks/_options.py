"""The options of an optimizer whose cost the benchmark of steps measures, and how Keras spells each."""

from typing import Any

import keras

# How many micro-steps make a step of the benchmark, with accumulation.
WINDOW = 4

OPTIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "clip": {"global_clipnorm": 1.0},
    "decay": {"weight_decay": 0.01},
    "ema": {"use_ema": True},
    "accumulation": {"gradient_accumulation_steps": WINDOW},
    "skip": {"nonfinite": "skip"},
    "mixed precision": {},
    "compile": {"compile_update": True},
}
# What of these is ours alone.
_OURS = ("nonfinite", "compile_update")


def ours(cls: type, option: str) -> Any:
    """Return an optimizer of this library with an option."""
    return _scaled(cls(1e-3, **OPTIONS[option]), option == "mixed precision")


def keras_own(cls: type, option: str) -> Any:
    """Return Keras' optimizer with the option, or with what comes nearest to it in Keras.

    Keras skips steps with non-finite gradients in its loss scaling alone.
    """
    arguments = {name: value for name, value in OPTIONS[option].items() if name not in _OURS}
    return _scaled(cls(1e-3, **arguments), option in ("mixed precision", "skip"))


def calls(option: str) -> int:
    """Return how many calls of `apply` make one step of the benchmark."""
    return WINDOW if option == "accumulation" else 1


def _scaled(optimizer: Any, wanted: bool) -> Any:
    # The scale stays 1: the same gradients are given in every step.
    if not wanted:
        return optimizer
    return keras.optimizers.LossScaleOptimizer(optimizer, initial_scale=1.0, dynamic_growth_steps=10**9)
