"""What a range test found: the loss at ever larger learning rates, and the rate that it suggests."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Of the fastest fall: less is lost to noise in a loss that hardly falls any more.
_STILL_FALLS = 0.8
RULES = ("middle", "steepest", "valley", "minimum")


@dataclass(frozen=True)
class LearningRateRange:
    """What `find_learning_rate` found.

    Args:
        rates: The learning rate of each step.
        losses: The loss of its batch, before the step.
        rule: Which of `suggestions` is `suggestion`.

    Example:
        >>> import keras_neural_opt as kno
        >>> rates = [10 ** (i / 10 - 4) for i in range(31)]
        >>> losses = [1.0] * 10 + [1 - i / 12 for i in range(11)] + [0.2 + i for i in range(10)]
        >>> found = kno.training.LearningRateRange(rates, losses)
        >>> round(found.suggestion, 4)
        0.0063
    """

    rates: Sequence[float]
    losses: Sequence[float]
    rule: str = "middle"

    @property
    def smoothed(self) -> list[float]:
        """The losses averaged over a twentieth of the steps to both sides."""
        return [float(x) for x in _averaged(self.losses, len(self.losses) // 20)]

    @property
    def suggestions(self) -> dict[str, float]:
        """A rate by each rule.

        `"steepest"` is the rate where the loss falls fastest, `"minimum"` a tenth of that where it is least. `"middle"`
        lies half-way, on a logarithmic scale, between the last rate at which it still falls nearly as fast as anywhere
        and the one where it is least. `"valley"` lies two thirds into the longest stretch over which it falls.
        """
        rates, losses = np.log(self.rates), np.asarray(self.smoothed)
        slope = np.gradient(losses, rates)
        lowest = int(losses.argmin())
        steepest = int(slope[: max(1, lowest)].argmin())
        start, end = _longest_fall(losses)
        return {
            "middle": math.sqrt(self.rates[_last_fast_fall(self.losses, rates, lowest)] * self.rates[lowest]),
            "steepest": float(self.rates[steepest]),
            "valley": float(self.rates[start + (end - start) * 2 // 3]),
            "minimum": float(self.rates[lowest]) / 10,
        }

    @property
    def suggestion(self) -> float:
        """The rate by `rule`."""
        return self.suggestions[self.rule]

    def plot(self) -> "Figure":
        """Return a picture of the losses and the suggestions.

        Raises:
            ModuleNotFoundError: matplotlib is not installed.
        """
        from keras_neural_opt.training._learning_rate_figure import learning_rate_figure

        return learning_rate_figure(self)

    def table(self) -> str:
        """Return the suggestions, a line each."""
        marks = {name: "  <- suggestion" if name == self.rule else "" for name in RULES}
        return "\n".join(f"{name:<10}{rate:.3g}{marks[name]}" for name, rate in self.suggestions.items())


def _averaged(values: Sequence[float] | np.ndarray, width: int) -> np.ndarray:
    """Return the values averaged over `width` neighbours to both sides."""
    padded = np.pad(np.asarray(values, "float64"), max(1, width), mode="edge")
    means: np.ndarray = np.lib.stride_tricks.sliding_window_view(padded, 2 * max(1, width) + 1).mean(-1)
    return means


def _last_fast_fall(losses: Sequence[float], log_rates: np.ndarray, lowest: int) -> int:
    """Return the last place before the minimum where the loss falls nearly as fast as anywhere."""
    width = len(losses) // 15
    slope = _averaged(np.gradient(_averaged(losses, width), log_rates), width)[: max(1, lowest)]
    return int(np.flatnonzero(slope <= slope.min() + (1 - _STILL_FALLS) * abs(slope.min()))[-1])


def _longest_fall(losses: np.ndarray) -> tuple[int, int]:
    """Return first and last index of the longest, not necessarily unbroken, falling subsequence."""
    length, before = np.ones(len(losses), int), np.full(len(losses), -1)
    for i in range(1, len(losses)):
        for j in range(i):
            if losses[j] > losses[i] and length[j] + 1 > length[i]:
                length[i], before[i] = length[j] + 1, j
    end = start = int(length.argmax())
    while before[start] >= 0:
        start = int(before[start])
    return start, end
