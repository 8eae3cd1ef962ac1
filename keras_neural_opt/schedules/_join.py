"""Schedules one after the other."""

from typing import Any

from keras_neural_opt._core.registry import export
from keras_neural_opt._core.scalars import select
from keras_neural_opt.schedules._schedule import Schedule, schedules_argument, value_of
from keras_neural_opt.schedules._steps import reached, since


@export
class Join(Schedule):
    r"""Runs schedules one after the other (as the slanted triangle of Howard and Ruder, 2018, is two lines).

    For every shape that has no class of its own. Each part starts at its own step 0 when its turn comes.

    .. math:: \eta(t) = \eta_i(t - b_i), \qquad i = \max \{j : t \ge b_j\}, \qquad b_0 = 0

    Args:
        schedules: The parts, a list of schedules, ours or Keras', or of numbers that stay.
        boundaries: :math:`b_1, b_2, \dots`, a list of increasing steps at which the second and each later part begins.
        **kwargs: `unit` and `name`, see `Schedule`.

    Raises:
        ValueError: An argument breaks its rule, or there is not one boundary fewer than schedules.

    Example:
        >>> import keras_neural_opt as kno
        >>> schedule = kno.schedules.Join([0.5, kno.schedules.LinearDecay(0.25, 10)], boundaries=[100])
        >>> schedule(99), schedule(100), schedule(105)
        (0.5, 0.25, 0.125)

    Note:
        As `optax.join_schedules` and `torch.optim.lr_scheduler.SequentialLR`.
        `keras.optimizers.schedules.PiecewiseConstantDecay(b, v)` is `Join(v, [x + 1 for x in b])`: it changes after a
        boundary and not at it.

    References:
        Howard, Ruder, Universal Language Model Fine-tuning for Text Classification, 2018,
        https://arxiv.org/abs/1801.06146
    """

    schedules: list[Any]
    boundaries: list[int]
    counts = ("boundaries",)
    nested = ("schedules",)

    def __init__(self, schedules: Any, boundaries: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.set_hyperparameters(schedules=schedules_argument(schedules), boundaries=self.increasing_counts(boundaries))
        if len(self.boundaries) != len(self.schedules) - 1:
            raise ValueError(
                f"{type(self).__name__}.boundaries must be one fewer than schedules; received {len(self.boundaries)}"
                f" for {len(self.schedules)} schedules"
            )

    def value(self, step: Any) -> Any:
        value = value_of(self.schedules[0], step)
        for part, boundary in zip(self.schedules[1:], self.boundaries, strict=True):
            value = select(reached(step, boundary), value_of(part, since(step, boundary)), value)
        return value
