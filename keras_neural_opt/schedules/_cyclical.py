"""Cyclical rates."""

from typing import Any

from keras_neural_opt._core.arguments import Argument, choice, nonnegative, optional, positive
from keras_neural_opt._core.registry import export
from keras_neural_opt._core.scalars import power, select, to_float
from keras_neural_opt.schedules._schedule import Schedule


@export
class Cyclical(Schedule):
    r"""Climbs and falls between two learning rates (Smith, 2017).

    For trainings of unknown length, and to find good rates: a climb through all of them. `OneCycle` is one cycle with
    an end, which is what usually trains best.

    .. math:: \eta(t) = \eta_0 + (\eta_1 - \eta_0)\, f\, \begin{cases} t' / T_u & t' \le T_u \\
              (T_u + T_d - t') / T_d & t' > T_u \end{cases}, \qquad t' = t \bmod (T_u + T_d)

    Args:
        initial_learning_rate: :math:`\eta_0 \ge 0`, where each cycle begins and ends.
        maximum_learning_rate: :math:`\eta_1 \ge 0`, its top; below :math:`\eta_0` it is a valley.
        step_size_up: :math:`T_u`, the steps up. Defaults to 2000.
        step_size_down: :math:`T_d`, the steps down. Defaults to None: as many.
        mode: `"triangular"`: :math:`f = 1` (default). `"triangular2"`: halved from cycle to cycle. `"exp_range"`:
            :math:`f = \gamma^t`.
        gamma: :math:`\gamma > 0` of `"exp_range"`. Defaults to 1.
        scale_function: A function that gives :math:`f` instead of a mode, of a Python number or a tensor; registered by
            `keras.saving.register_keras_serializable` it can be saved. Defaults to None.
        scale_mode: What it is a function of: `"cycle"`, the number of the cycle, from 1 (default), or `"iterations"`.
        **kwargs: `unit` and `name`, see `Schedule`.

    Raises:
        ValueError: An argument breaks its rule.

    Example:
        >>> import keras_neural_opt as kno
        >>> schedule = kno.schedules.Cyclical(0.0, 0.5, step_size_up=10, mode="triangular2")
        >>> schedule(5), schedule(10), schedule(20), schedule(30)
        (0.25, 0.5, 0.0, 0.25)

    Note:
        As `torch.optim.lr_scheduler.CyclicLR`, and TF Addons' `CyclicalLearningRate` where up and down are as long. For
        the momentum in the opposite direction swap the two values.

    References:
        Smith, Cyclical Learning Rates for Training Neural Networks, 2017, https://arxiv.org/abs/1506.01186
    """

    initial_learning_rate: float
    maximum_learning_rate: float
    step_size_up: int
    step_size_down: int | None
    mode: str
    gamma: float
    scale_function: Any
    scale_mode: str
    counts = ("step_size_up", "step_size_down")
    nested = ("scale_function",)

    def __init__(
        self,
        initial_learning_rate: float,
        maximum_learning_rate: float,
        step_size_up: float = 2000,
        step_size_down: float | None = None,
        mode: str = "triangular",
        gamma: float = 1.0,
        scale_function: Any = None,
        scale_mode: str = "cycle",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.set_hyperparameters(
            initial_learning_rate=nonnegative(initial_learning_rate),
            maximum_learning_rate=nonnegative(maximum_learning_rate),
            step_size_up=self.count(step_size_up, 1),
            step_size_down=optional(self.count(step_size_down, 1)),
            mode=choice(mode, ("triangular", "triangular2", "exp_range")),
            gamma=positive(gamma),
            scale_function=_function(scale_function),
            scale_mode=choice(scale_mode, ("cycle", "iterations")),
        )

    def value(self, step: Any) -> Any:
        up = self.step_size_up
        down = self.step_size_down or up
        cycle, phase = step // (up + down), step % (up + down)
        climbed, left = to_float(phase) / up, to_float(up + down - phase) / down
        part = select(phase <= up, climbed, left)
        span = self.maximum_learning_rate - self.initial_learning_rate
        # A scale that has grown out of all bounds is no number times 0.
        height = select(part > 0, part * self._scale(step, cycle), 0.0 * part)
        return self.initial_learning_rate + span * height

    def _scale(self, step: Any, cycle: Any) -> Any:
        if self.scale_function is not None:
            return self.scale_function(to_float(cycle) + 1.0 if self.scale_mode == "cycle" else to_float(step))
        if self.mode == "triangular":
            return 1.0
        return power(0.5, to_float(cycle)) if self.mode == "triangular2" else power(self.gamma, to_float(step))


def _function(value: Any) -> Argument:
    def convert(given: Any) -> Any:
        if given is not None and (not callable(given) or isinstance(given, type)):
            raise ValueError
        return given

    return Argument(value, "None or a function of a number", convert)
