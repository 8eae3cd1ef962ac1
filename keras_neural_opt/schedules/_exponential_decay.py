"""Exponential decay."""

from typing import Any

from keras_neural_opt._core.arguments import flag, nonnegative, positive
from keras_neural_opt._core.registry import export
from keras_neural_opt._core.scalars import power, to_float
from keras_neural_opt.schedules._schedule import Schedule


@export
class ExponentialDecay(Schedule):
    r"""Multiplies the learning rate by the same number in every step (Szegedy et al., 2016).

    It needs no length of the training and never arrives at 0. Where the length is known, `CosineAnnealing` or
    `LinearDecay` find lower losses.

    .. math:: \eta(t) = \eta_0\, \gamma^{t / T}

    Args:
        initial_learning_rate: :math:`\eta_0 \ge 0`.
        decay_steps: :math:`T`, the steps after which the rate is :math:`\gamma` times what it was.
        decay_rate: :math:`\gamma > 0`; above 1 the rate grows.
        staircase: Whether it falls at every :math:`T`-th step only, as `StepDecay` does. Defaults to False.
        **kwargs: `unit` and `name`, see `Schedule`.

    Raises:
        ValueError: An argument breaks its rule.

    Example:
        >>> import keras_neural_opt as kno
        >>> schedule = kno.schedules.ExponentialDecay(0.1, decay_steps=10, decay_rate=0.5)
        >>> schedule(0), schedule(10), schedule(20)
        (0.1, 0.05, 0.025)

    Note:
        Same arguments and defaults as `keras.optimizers.schedules.ExponentialDecay`.
        `torch.optim.lr_scheduler.ExponentialLR` has :math:`T = 1` epoch.

    References:
        Szegedy, Vanhoucke, Ioffe, Shlens, Wojna, Rethinking the Inception Architecture for Computer Vision, 2016,
        https://arxiv.org/abs/1512.00567
    """

    initial_learning_rate: float
    decay_steps: int
    decay_rate: float
    staircase: bool
    counts = ("decay_steps",)

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        decay_rate: float,
        staircase: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.set_hyperparameters(
            initial_learning_rate=nonnegative(initial_learning_rate),
            decay_steps=self.count(decay_steps, 1),
            decay_rate=positive(decay_rate),
            staircase=flag(staircase),
        )

    def value(self, step: Any) -> Any:
        times = to_float(step // self.decay_steps) if self.staircase else to_float(step) / self.decay_steps
        return self.initial_learning_rate * power(self.decay_rate, times)
