"""An exponential moving average of the weights, around any optimizer."""

from typing import Any

from keras_neural_opt._core.arguments import closed_fraction, flag, integer, optional
from keras_neural_opt._core.backend import native
from keras_neural_opt._core.branches import nothing
from keras_neural_opt._core.running import assign_copies
from keras_neural_opt._core.scalars import minimum
from keras_neural_opt._core.tensors import Tensors, lerp
from keras_neural_opt.optimizers._slot import kept_wide
from keras_neural_opt.optimizers._wrapper import Wrapper, export


@export
class ExponentialMovingAverage(Wrapper):
    r"""The exponential moving average of the weights (Polyak and Juditsky, 1992).

    Keeps a mean of the weights over the last steps, which replaces them when `fit` ends: less noise, a better model for
    one copy of the weights. Take a momentum so that :math:`1 / (1 - \mu)` steps are some epochs. The same as `use_ema`
    of our optimizers, for those that lack it.

    .. math:: \bar\theta_1 = \theta_1, \qquad \bar\theta_t = \mu \bar\theta_{t-1} + (1 - \mu) \theta_t

    Args:
        inner_optimizer: The optimizer, or its name.
        momentum: :math:`\mu` in [0, 1]. Defaults to 0.99.
        warm_up: Whether the momentum is at most :math:`t / (t + 10)`, so that early weights are forgotten. Defaults to
            False.
        overwrite_frequency: None, or the number of effective steps after which the mean replaces the weights. Defaults
            to None: only at the end of `fit`.
        name: The name of this optimizer.

    Raises:
        ValueError: An argument breaks its rule.

    Example:
        >>> import keras
        >>> import keras_neural_opt as kno
        >>> optimizer = kno.optimizers.ExponentialMovingAverage(keras.optimizers.Adam(1e-3), momentum=0.999)

    Note:
        Counts effective steps: Keras' `use_ema` also counts those that only accumulate, and its second `fit` fails on
        JAX. Training goes on from the mean. State: 4 bytes a parameter, also of half precision, besides the
        inner optimizer's.

    References:
        Polyak, Juditsky, Acceleration of Stochastic Approximation by Averaging, 1992,
        https://doi.org/10.1137/0330046
    """

    momentum: float
    warm_up: bool
    overwrite_frequency: int | None
    slots = (kept_wide("average"),)
    averages = True

    def __init__(
        self,
        inner_optimizer: Any,
        momentum: float = 0.99,
        warm_up: bool = False,
        overwrite_frequency: int | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(inner_optimizer, name=name)
        self.set_hyperparameters(
            momentum=closed_fraction(momentum),
            warm_up=flag(warm_up),
            overwrite_frequency=optional(integer(overwrite_frequency, 1)),
        )

    def after(self, gradients: list[Any], variables: list[Any], old: list[Any], step: Any) -> None:
        everything, averages = self._trainable_variables, self._plan.slots["average"]
        t = native.scalar(step)
        kept = minimum(t / (t + 10.0), self.momentum) if self.warm_up else self.momentum
        # The first step makes the average: there is nothing to average with before it.
        weight = 1.0 - kept * native.scalar(step > 1)
        values = Tensors(native.read_all(everything))
        native.write(averages, lerp(Tensors(native.read_all(averages)), values, weight).tensors)
        if self.overwrite_frequency:
            due = step % self.overwrite_frequency == 0
            native.when(due, lambda: assign_copies(everything, averages), nothing, everything)

    def finish(self, variables: list[Any]) -> None:
        """Replace the variables by their average."""
        if int(self._effective_steps()):
            native.overwrite(self, variables, self.slot("average", variables))
