"""Stochastic weight averaging, and its Gaussian."""

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from keras_neural_opt._core.arguments import integer, nonnegative
from keras_neural_opt._core.backend import native
from keras_neural_opt._core.branches import nothing
from keras_neural_opt._core.tensors import Tensors, lerp, square
from keras_neural_opt.optimizers._slot import Slot, kept_wide
from keras_neural_opt.optimizers._wrapper import Wrapper, export


@export
class StochasticWeightAveraging(Wrapper):
    r"""Stochastic weight averaging (Izmailov et al., 2018).

    The plain mean of the weights from some step on, which replaces them when `fit` ends. Start it when training has
    nearly converged, with a learning rate that stays constant or cycles: the mean lies in the middle of a flat valley
    and generalizes better than any of the weights. Recalibrate batch norms afterwards.

    .. math:: \bar\theta_n = \bar\theta_{n-1} + (\theta_{t_n} - \bar\theta_{n-1}) / n, \qquad t_n = t_1 + (n - 1) P

    Args:
        inner_optimizer: The optimizer, or its name.
        start_step: :math:`t_1 \ge 1`, the first effective step that counts.
        period: :math:`P \ge 1`, the number of effective steps from one that counts to the next. Defaults to 1; the
            paper takes an epoch, or the length of a cycle of the learning rate.
        name: The name of this optimizer.

    Raises:
        ValueError: An argument breaks its rule.

    Example:
        >>> import keras_neural_opt as kno
        >>> optimizer = kno.optimizers.StochasticWeightAveraging("sgd", start_step=10_000, period=100)

    Note:
        As `torch.optim.swa_utils.AveragedModel`. State: 4 bytes a parameter, also of half precision, besides the inner
        optimizer's.

    References:
        Izmailov, Podoprikhin, Garipov, Vetrov, Wilson, Averaging Weights Leads to Wider Optima and Better
        Generalization, 2018, https://arxiv.org/abs/1803.05407
    """

    start_step: int
    period: int
    slots: Sequence[Slot] = (kept_wide("average"),)
    averages = True

    def __init__(self, inner_optimizer: Any, start_step: int, period: int = 1, name: str | None = None) -> None:
        super().__init__(inner_optimizer, name=name)
        self.set_hyperparameters(start_step=integer(start_step, 1), period=integer(period, 1))

    def after(self, gradients: list[Any], variables: list[Any], old: list[Any], step: Any) -> None:
        waited = step - self.start_step
        due = (waited >= 0) & (waited % self.period == 0)
        native.when(due, lambda: self._collect(waited // self.period + 1), nothing, self.assignable)

    def _collect(self, n: Any) -> None:
        """Take the weights as the `n`-th."""
        averages = self._plan.slots["average"]
        mean = lerp(Tensors(native.read_all(averages)), self._weights(), 1.0 / native.scalar(n))
        native.write(averages, mean.tensors)

    def _weights(self) -> Tensors:
        """Return the weights in the averages' dtypes."""
        return Tensors(native.dense(native.read_all(self._trainable_variables), self._plan.slots["average"]))

    @property
    def collected(self) -> int:
        """How many weights the average is of."""
        steps = int(self._effective_steps()) if self.built else 0
        return max(0, (steps - self.start_step) // self.period + 1)

    def finish(self, variables: list[Any]) -> None:
        """Replace the variables by their average, if there is one."""
        if self.collected:
            native.overwrite(self, variables, self.slot("average", variables))


@export
class SWAG(StochasticWeightAveraging):
    r"""SWA-Gaussian (Maddox et al., 2019).

    Stochastic weight averaging that also keeps how the weights varied: a Gaussian around the mean from which `sample`
    draws models, for predictions that know how sure they are. Recalibrate batch norms after each sample.

    .. math::
        \theta = \bar\theta + \sqrt{\tfrac{s}{2}} \left( \sqrt{\overline{\theta^2} - \bar\theta^2}\; z_1
        + \frac{1}{\sqrt{K - 1}} \sum_{k=1}^{K} d_k z_{2,k} \right), \qquad
        d_k = \theta_{t_n} - \bar\theta_n \text{ of the last } K \text{ that count}

    Args:
        inner_optimizer: The optimizer, or its name.
        start_step: The first effective step that counts, >= 1.
        period: The number of effective steps from one that counts to the next, >= 1. Defaults to 1.
        rank: :math:`K \ge 2`, how many deviations are kept. Defaults to 20.
        name: The name of this optimizer.

    Raises:
        ValueError: An argument breaks its rule.

    Example:
        >>> import keras_neural_opt as kno
        >>> optimizer = kno.optimizers.SWAG("sgd", start_step=10_000, period=100, rank=10)

    Note:
        As the authors' code; a deviation is taken after the mean has moved. State: :math:`8 + 4K` bytes a
        parameter besides the inner optimizer's.

    References:
        Maddox, Garipov, Izmailov, Vetrov, Wilson, A Simple Baseline for Bayesian Uncertainty in Deep Learning, 2019,
        https://arxiv.org/abs/1902.02476
    """

    rank: int

    def __init__(
        self, inner_optimizer: Any, start_step: int, period: int = 1, rank: int = 20, name: str | None = None
    ) -> None:
        super().__init__(inner_optimizer, start_step, period, name)
        self.set_hyperparameters(rank=integer(rank, 2))

    @property
    def slots(self) -> tuple[Slot, ...]:  # type: ignore[override]
        return tuple(map(kept_wide, ("average", "square_average", *(f"deviation_{k}" for k in range(self.rank)))))

    def _collect(self, n: Any) -> None:
        super()._collect(n)
        squares, values = self._plan.slots["square_average"], self._weights()
        native.write(squares, lerp(Tensors(native.read_all(squares)), square(values), 1.0 / native.scalar(n)).tensors)
        deviation = values - Tensors(native.read_all(self._plan.slots["average"]))
        for k in range(self.rank):
            kept = self._plan.slots[f"deviation_{k}"]
            here = (n - 1) % self.rank == k
            native.write(
                kept, [_chosen(here, d, x) for d, x in zip(deviation.tensors, native.read_all(kept), strict=True)]
            )

    def sample(self, scale: float = 1.0, seed: int | None = None) -> None:
        r"""Set the variables to a draw from the Gaussian; `finalize_variable_values` sets them to the mean.

        Args:
            scale: :math:`s \ge 0`, the scale of the covariance. Defaults to 1. At 0 it is the mean.
            seed: Makes the draw repeatable.

        Raises:
            RuntimeError: Fewer than two weights were collected.
        """
        scale = nonnegative(scale).check(type(self).__name__, "scale")
        n = self.collected
        if n < 2:
            raise RuntimeError(f"SWAG.sample needs two weights; collected were {n}, from step {self.start_step} on")
        rng, rank, slots = np.random.default_rng(seed), min(n, self.rank), self._plan.slots
        z = rng.standard_normal(rank)
        for i, variable in enumerate(self._trainable_variables):
            mean = keras.ops.convert_to_numpy(slots["average"][i]).astype("float64")
            second = keras.ops.convert_to_numpy(slots["square_average"][i]).astype("float64")
            deviations = [keras.ops.convert_to_numpy(slots[f"deviation_{k}"][i]) for k in range(rank)]
            diagonal = np.sqrt(np.maximum(second - mean**2, 0.0)) * rng.standard_normal(mean.shape)
            low_rank = sum(x * d for x, d in zip(z, deviations, strict=True)) / math.sqrt(rank - 1)
            drawn = mean + math.sqrt(scale / 2) * (diagonal + low_rank)
            variable.assign(keras.ops.cast(drawn, variable.dtype))


def _chosen(condition: Any, yes: Any, no: Any) -> Any:
    if isinstance(condition, bool) or native.runs_eagerly(condition):
        return yes if condition else no
    return native.where(condition, yes, no)
