"""The learning rate of another batch size."""

import math
from dataclasses import dataclass
from typing import Any

from keras_neural_opt._core.arguments import check_arguments, choice, integer, nonnegative
from keras_neural_opt.schedules._schedule import Schedule, value_of
from keras_neural_opt.schedules._warmup import Warmup

# Of ImageNet with 32 times the usual batch, in the paper; longer is rarely better.
_LONGEST_WARMUP = 5.0


@dataclass(frozen=True)
class ScaledLearningRate:
    """What `scale_learning_rate` says.

    Args:
        learning_rate: The rate for the other batch size.
        warmup_epochs: Over how many epochs to climb to it; 0 where no warm-up is needed.

    Example:
        >>> import keras_neural_opt as kno
        >>> scaled = kno.scale_learning_rate(0.1, base_batch_size=256, batch_size=1024)
        >>> cosine = kno.schedules.CosineAnnealing(scaled.learning_rate, 90, unit="epoch")
        >>> scaled.warmed_up(cosine).in_steps(100)(200)
        0.4
    """

    learning_rate: float
    warmup_epochs: float

    def warmed_up(self, schedule: Any = None) -> Schedule:
        """Return the rate with its warm-up in front, as a schedule that counts epochs.

        Args:
            schedule: What follows, which starts from `learning_rate`. Defaults to None: the rate stays.

        Raises:
            ValueError: The schedule starts elsewhere.
        """
        after: Any = self.learning_rate if schedule is None else schedule
        first = value_of(after.in_steps(1) if isinstance(after, Schedule) and after.counts_epochs else after, 0)
        if not math.isclose(first, self.learning_rate, rel_tol=1e-6):
            raise ValueError(
                f"ScaledLearningRate.schedule must start from {self.learning_rate:g}; received one that starts from"
                f" {first:g}"
            )
        return Warmup(after, self.warmup_epochs, unit="epoch")


def scale_learning_rate(
    learning_rate: float, base_batch_size: int, batch_size: int, rule: str = "linear"
) -> ScaledLearningRate:
    r"""Return the learning rate for another batch size, with advice on its warm-up (Goyal et al., 2017).

    A batch k times as large has a gradient k times as certain, and an epoch k times fewer steps.

    .. math:: \eta' = \eta k \;\text{ (linear)}, \qquad \eta' = \eta \sqrt k \;\text{ (square root)}, \qquad
              k = \text{batch size} / \text{base batch size}

    Args:
        learning_rate: :math:`\eta \ge 0`, a rate that is good with `base_batch_size`.
        base_batch_size: The samples of a step there, >= 1.
        batch_size: The samples of a step now, >= 1.
        rule: `"linear"` for SGD and LARS (default), `"sqrt"` for Adam, LAMB and their like.

    Returns:
        The rate and the epochs of its warm-up: one for each doubling of the batch, at most five.

    Raises:
        ValueError: An argument breaks its rule.

    Example:
        >>> import keras_neural_opt as kno
        >>> scaled = kno.scale_learning_rate(0.1, base_batch_size=256, batch_size=8192)
        >>> scaled.learning_rate, scaled.warmup_epochs
        (3.2, 5.0)
        >>> scaled.warmed_up().in_steps(100)(250)
        1.6

    Note:
        The linear rule holds up to some size that depends on the data; beyond it `LARS` and `LAMB` lose less, see the
        figure of large batches among the benchmarks. Tune again where you can: both rules are a place to begin.

    References:
        Goyal, Dollár, Girshick, Noordhuis, Wesolowski, Kyrola, Tulloch, Jia, He, Accurate, Large Minibatch SGD:
        Training ImageNet in 1 Hour, 2017, https://arxiv.org/abs/1706.02677
    """
    given = check_arguments(
        "scale_learning_rate",
        learning_rate=nonnegative(learning_rate),
        base_batch_size=integer(base_batch_size, 1),
        batch_size=integer(batch_size, 1),
        rule=choice(rule, ("linear", "sqrt")),
    )
    factor = given["batch_size"] / given["base_batch_size"]
    rate = given["learning_rate"] * (factor if rule == "linear" else math.sqrt(factor))
    return ScaledLearningRate(rate, min(_LONGEST_WARMUP, max(0.0, math.log2(factor))))
