"""Polynomial decay."""

from typing import Any

from keras_neural_opt._core.arguments import flag, nonnegative, positive
from keras_neural_opt._core.registry import export
from keras_neural_opt._core.scalars import select, to_float
from keras_neural_opt.schedules._schedule import Schedule
from keras_neural_opt.schedules._steps import progress


@export
class PolynomialDecay(Schedule):
    r"""Lowers the learning rate along a power of the steps that are left (Liu, Rabinovich and Berg, 2015).

    With a power of 0.9 usual for segmentation; with 1 it is `LinearDecay`, with 2 it spends longer at small rates.

    .. math:: \eta(t) = \eta_T + (\eta_0 - \eta_T) \left(1 - \frac{\min(t, T)}{T}\right)^p

    Args:
        initial_learning_rate: :math:`\eta_0 \ge 0`.
        decay_steps: :math:`T`, the steps from the top to the end.
        end_learning_rate: :math:`\eta_T \ge 0`. Defaults to 0.0001.
        power: :math:`p > 0`. Defaults to 1.
        cycle: Whether it starts again after each :math:`T` steps, from ever lower tops: :math:`T` is then the next
            multiple of `decay_steps` that is not below :math:`t`. Defaults to False: it stays at the end.
        **kwargs: `unit` and `name`, see `Schedule`.

    Raises:
        ValueError: An argument breaks its rule.

    Example:
        >>> import keras_neural_opt as kno
        >>> schedule = kno.schedules.PolynomialDecay(0.1, decay_steps=100, end_learning_rate=0.0, power=2.0)
        >>> schedule(0), schedule(50), schedule(200)
        (0.1, 0.025, 0.0)

    Note:
        Same arguments and defaults as `keras.optimizers.schedules.PolynomialDecay`;
        `torch.optim.lr_scheduler.PolynomialLR` ends at 0. Where a cycle ends both, and Keras, give the end's rate.

    References:
        Liu, Rabinovich, Berg, ParseNet: Looking Wider to See Better, 2015, https://arxiv.org/abs/1506.04579
    """

    initial_learning_rate: float
    decay_steps: int
    end_learning_rate: float
    power: float
    cycle: bool
    counts = ("decay_steps",)

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        end_learning_rate: float = 0.0001,
        power: float = 1.0,
        cycle: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.set_hyperparameters(
            initial_learning_rate=nonnegative(initial_learning_rate),
            decay_steps=self.count(decay_steps, 1),
            end_learning_rate=nonnegative(end_learning_rate),
            power=positive(power),
            cycle=flag(cycle),
        )

    def value(self, step: Any) -> Any:
        left = self._part_of_cycle_left(step) if self.cycle else progress(step, 0, self.decay_steps)[1]
        return self.end_learning_rate + (self.initial_learning_rate - self.end_learning_rate) * left**self.power

    def _part_of_cycle_left(self, step: Any) -> Any:
        # To the next multiple, which is this step itself but for the first.
        steps = select(step == 0, float(self.decay_steps), to_float(-step % self.decay_steps))
        return steps / (to_float(step) + steps)
