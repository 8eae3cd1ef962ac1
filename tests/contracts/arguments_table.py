"""What each kind of constructor argument accepts and refuses, and the words of the refusal."""

import math
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

CosineDecay = keras.optimizers.schedules.CosineDecay


@dataclass(frozen=True)
class Kind:
    """A rule in words, with values on both sides of it."""

    rule: str
    good: tuple[Any, ...]
    bad: tuple[Any, ...]

    @property
    def optional(self) -> "Kind":
        """The same kind, or None."""
        bad = tuple(value for value in self.bad if value is not None)
        return Kind(f"None or {self.rule}", (*self.good, None), bad)

    @property
    def default_of_others(self) -> "Kind":
        """The same kind where None, which is not refused, means that another argument decides."""
        return Kind(self.rule, self.good, tuple(value for value in self.bad if value is not None))


_NO_NUMBERS = (None, "0.5", "", True, np.True_, 0.5j, [0.5], (0.5,), {}, np.array([0.5]), object)
_NOT_FINITE = (math.nan, math.inf, -math.inf, np.float32("nan"), np.float64("inf"))


def _numbers(rule: str, good: tuple[float, ...], bad: tuple[float, ...]) -> Kind:
    numpy = tuple(kind(good[0]) for kind in (np.float16, np.float32, np.float64))
    return Kind(rule, (*good, *numpy), (*_NO_NUMBERS, *_NOT_FINITE, *bad))


FRACTION = _numbers("a number in [0, 1)", (0.5, 0.0, 0, np.int64(0), 0.999), (1.0, 1, -0.1, 2, np.float32(1.0)))
CLOSED_FRACTION = _numbers("a number in [0, 1]", (0.5, 0, 1, 0.0, 1.0, np.int32(1)), (-0.1, 1.1, -1, np.int64(2)))
PERCENTAGE = _numbers("a number in (0, 100]", (10.0, 100, np.int64(3), 1e-3), (0.0, 0, -1, 100.1, np.float32(-1.0)))
POSITIVE = _numbers("a number > 0", (0.5, 1, np.int64(3), 1e-30, 1e30), (0.0, 0, -1e-9, -1, np.float32(-1.0)))
NONNEGATIVE = _numbers("a number >= 0", (0.5, 0, 0.0, np.int32(2), 1e30), (-1e-9, -1, np.float32(-0.5)))
NEGATIVE = _numbers("a number < 0", (-0.5, -1, np.int64(-3), -1e-30), (0.0, 0, 1e-9, 1, np.float32(0.5)))
FLAG = Kind("True or False", (True, False, np.True_), (None, 0, 1, 1.0, "yes", "", [True], math.nan))
TEXT = Kind("a non-empty string", ("mine",), ("", 1, 1.0, b"mine", ["mine"], True, math.nan))


def integer(minimum: int) -> Kind:
    """A whole number that is large enough."""
    numbers = (minimum - 1, -minimum - 1, minimum + 0.5, float(minimum), np.float32(minimum), math.nan, math.inf)
    bad = (*numbers, None, "2", "", True, [minimum])
    return Kind(f"an integer >= {minimum}", (minimum, minimum + 7, np.int64(minimum)), bad)


def choice(*options: str) -> Kind:
    """One of a few strings."""
    words = ", ".join(repr(option) for option in options)
    return Kind(f"one of {words}", options, (None, 1, True, "", "nonsense", list(options), math.nan))


def _one() -> float:
    return 1.0


LEARNING_RATE = Kind(
    "a number >= 0, a LearningRateSchedule or a function without arguments",
    (*NONNEGATIVE.good, CosineDecay(0.1, 10), _one),
    NONNEGATIVE.bad,
)
MASK = Kind(
    "None, one of 'no_bias', 'no_norm_no_bias', 'matrices_only', a list of regular expressions or a function of the"
    " variable",
    (None, "no_bias", "no_norm_no_bias", "matrices_only", ["kernel"], ("!bias", "a"), bool),
    (1, 0.5, True, "nonsense", "", [1], ["("], [], [""], ["!"], {"kernel"}, math.nan),
)
TRANSFORMS = Kind("a list of GradientTransforms", ((), []), (None, 1, "clip", [1], [None], {}, [_one], math.nan))

# The arguments of the base, which every optimizer takes.
BASE: dict[str, Kind] = {
    "learning_rate": LEARNING_RATE,
    "clipnorm": POSITIVE.optional,
    "clipvalue": POSITIVE.optional,
    "global_clipnorm": POSITIVE.optional,
    "use_ema": FLAG,
    "ema_momentum": CLOSED_FRACTION,
    "ema_overwrite_frequency": integer(1).optional,
    "loss_scale_factor": POSITIVE.optional,
    "gradient_accumulation_steps": integer(2).optional,
    "name": TEXT.optional,
    "weight_decay": NONNEGATIVE.optional,
    "weight_decay_mode": choice("decoupled", "l2", "corrected", "cautious"),
    "weight_decay_mask": MASK,
    "nonfinite": choice("propagate", "skip", "raise"),
    "compile_update": FLAG,
    "gradient_transforms": TRANSFORMS,
}
