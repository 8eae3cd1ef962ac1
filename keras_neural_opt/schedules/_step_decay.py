"""Step decay."""

from typing import Any

from keras_neural_opt._core.arguments import nonnegative, positive
from keras_neural_opt._core.registry import export
from keras_neural_opt._core.scalars import power, to_float
from keras_neural_opt.schedules._schedule import Schedule


@export
class StepDecay(Schedule):
    r"""Lowers the learning rate in equal intervals (Krizhevsky, Sutskever and Hinton, 2012).

    A tenth every 30 epochs trained a generation of image nets. Where the intervals differ take `MultiStepDecay`.

    .. math:: \eta(t) = \eta_0\, \gamma^{\lfloor t / T \rfloor}

    Args:
        initial_learning_rate: :math:`\eta_0 \ge 0`.
        decay_steps: :math:`T`, the steps of an interval.
        decay_rate: :math:`\gamma > 0`. Defaults to 0.1.
        **kwargs: `unit` and `name`, see `Schedule`.

    Raises:
        ValueError: An argument breaks its rule.

    Example:
        >>> import keras_neural_opt as kno
        >>> schedule = kno.schedules.StepDecay(0.5, decay_steps=30, decay_rate=0.5)
        >>> schedule(29), schedule(30), schedule(60)
        (0.5, 0.25, 0.125)

    Note:
        As `torch.optim.lr_scheduler.StepLR` (`step_size`, `gamma`), which counts epochs: `unit="epoch"` here.

    References:
        Krizhevsky, Sutskever, Hinton, ImageNet Classification with Deep Convolutional Neural Networks, 2012,
        https://doi.org/10.1145/3065386
    """

    initial_learning_rate: float
    decay_steps: int
    decay_rate: float
    counts = ("decay_steps",)

    def __init__(
        self, initial_learning_rate: float, decay_steps: float, decay_rate: float = 0.1, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.set_hyperparameters(
            initial_learning_rate=nonnegative(initial_learning_rate),
            decay_steps=self.count(decay_steps, 1),
            decay_rate=positive(decay_rate),
        )

    def value(self, step: Any) -> Any:
        return self.initial_learning_rate * power(self.decay_rate, to_float(step // self.decay_steps))
