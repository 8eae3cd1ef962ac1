"""One cycle: the learning rate up and far down, the momentum down and up."""

from collections.abc import Sequence
from typing import Any

from keras_neural_opt._core.arguments import Argument, choice, flag, fraction, is_number, nonnegative, positive
from keras_neural_opt._core.registry import export
from keras_neural_opt.schedules._curves import cosine, linear, through
from keras_neural_opt.schedules._schedule import Schedule


class _Cycle(Schedule):
    """What rate and momentum share: when the phases end, and along which curve they go."""

    total_steps: int
    pct_start: float
    anneal_strategy: str
    three_phase: bool
    counts = ("total_steps",)

    def _check_phases(self, total_steps: Any, pct_start: Any, anneal_strategy: Any, three_phase: Any) -> None:
        limits = "a number in (0, 0.5] with three_phase" if three_phase is True else "a number in (0, 1]"
        top = 0.5 if three_phase is True else 1.0

        def convert(given: Any) -> float:
            if not is_number(given) or not 0.0 < given <= top:
                raise ValueError
            return float(given)

        self.set_hyperparameters(
            total_steps=self.count(total_steps, 1),
            pct_start=Argument(pct_start, limits, convert),
            anneal_strategy=choice(anneal_strategy, ("cos", "linear")),
            three_phase=flag(three_phase),
        )

    def _through(self, step: Any, start: float, middle: float, end: float) -> Any:
        """Return the value where it goes from start to middle and, in two phases or three, to the end."""
        up, last = max(self.pct_start * self.total_steps - 1, 0.0), self.total_steps - 1
        ends: Sequence[float] = (0, min(up, last), last)
        values: Sequence[float] = (start, middle, end)
        if self.three_phase:
            ends, values = (0, up, min(2 * up, last), last), (start, middle, start, end)
        curve = cosine if self.anneal_strategy == "cos" else linear
        return through(step, ends, values, [curve] * (len(ends) - 1))


@export
class OneCycle(_Cycle):
    r"""Climbs to a large learning rate and anneals far below the first one (Smith and Topin, 2018).

    With the largest rate that does not diverge, as the learning-rate finder shows it, it trains in a fraction of the
    usual epochs. The number of steps must be known.

    .. math:: \frac{\eta_1}{d} \;\to\; \eta_1 \;\to\; \frac{\eta_1}{d\, f} \qquad
              \text{at the steps } 0, \; p\, T - 1, \; T - 1

    Args:
        maximum_learning_rate: :math:`\eta_1 \ge 0`, the top.
        total_steps: :math:`T`, the steps of the whole training.
        pct_start: :math:`p`, the part of them that it climbs, in (0, 1]; with `three_phase` at most 0.5. Defaults to
            0.3.
        anneal_strategy: `"cos"`, half a cosine (default), or `"linear"`.
        div_factor: :math:`d > 0`, how many times lower than the top it starts. Defaults to 25.
        final_div_factor: :math:`f > 0`, how many times lower than its start it ends. Defaults to 10,000.
        three_phase: Whether it falls to its start, in as many steps as it climbed, before it goes on to the end.
            Defaults to False.
        **kwargs: `unit` and `name`, see `Schedule`.

    Raises:
        ValueError: An argument breaks its rule.

    Example:
        >>> import keras_neural_opt as kno
        >>> schedule = kno.schedules.OneCycle(0.5, total_steps=101, anneal_strategy="linear")
        >>> [round(schedule(step), 4) for step in (0, 100, 1000)]
        [0.02, 0.0, 0.0]

    Note:
        As `torch.optim.lr_scheduler.OneCycleLR`, which drives the momentum too: see `OneCycleMomentum`. It stays at its
        end, where torch raises.

    References:
        Smith, Topin, Super-Convergence: Very Fast Training of Neural Networks Using Large Learning Rates, 2018,
        https://arxiv.org/abs/1708.07120
    """

    maximum_learning_rate: float
    div_factor: float
    final_div_factor: float

    def __init__(
        self,
        maximum_learning_rate: float,
        total_steps: float,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.set_hyperparameters(
            maximum_learning_rate=nonnegative(maximum_learning_rate),
            div_factor=positive(div_factor),
            final_div_factor=positive(final_div_factor),
        )
        self._check_phases(total_steps, pct_start, anneal_strategy, three_phase)

    def value(self, step: Any) -> Any:
        top = self.maximum_learning_rate
        start = top / self.div_factor
        return self._through(step, start, top, start / self.final_div_factor)


@export
class OneCycleMomentum(_Cycle):
    r"""Lowers the momentum while `OneCycle` raises the learning rate, and raises it again (Smith, 2018).

    A large rate regularizes as a large momentum does: both together would be too much.

    .. math:: \mu_1 \;\to\; \mu_0 \;\to\; \mu_1 \qquad \text{at the steps } 0, \; p\, T - 1, \; T - 1

    Args:
        total_steps: :math:`T`, as that of the `OneCycle` beside it.
        base_momentum: :math:`\mu_0`, in [0, 1), where the rate is largest. Defaults to 0.85.
        maximum_momentum: :math:`\mu_1`, in [0, 1), at both ends. Defaults to 0.95.
        pct_start: As that of the `OneCycle`. Defaults to 0.3.
        anneal_strategy: As that of the `OneCycle`. Defaults to `"cos"`.
        three_phase: As that of the `OneCycle`. Defaults to False.
        **kwargs: `unit` and `name`, see `Schedule`.

    Raises:
        ValueError: An argument breaks its rule.

    Example:
        >>> import keras_neural_opt as kno
        >>> momentum = kno.schedules.OneCycleMomentum(total_steps=101, anneal_strategy="linear")
        >>> [round(momentum(step), 4) for step in (0, 100)]
        [0.95, 0.95]

    Note:
        As the momentum, or the first beta, that `torch.optim.lr_scheduler.OneCycleLR` sets (`max_momentum`).

    References:
        Smith, A Disciplined Approach to Neural Network Hyper-Parameters, 2018, https://arxiv.org/abs/1803.09820
    """

    base_momentum: float
    maximum_momentum: float

    def __init__(
        self,
        total_steps: float,
        base_momentum: float = 0.85,
        maximum_momentum: float = 0.95,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        three_phase: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.set_hyperparameters(base_momentum=fraction(base_momentum), maximum_momentum=fraction(maximum_momentum))
        self._check_phases(total_steps, pct_start, anneal_strategy, three_phase)

    def value(self, step: Any) -> Any:
        return self._through(step, self.maximum_momentum, self.base_momentum, self.maximum_momentum)
