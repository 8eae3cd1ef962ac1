"""From an adaptive method to SGD, at a step or when SWATS says so."""

from collections.abc import Sequence
from typing import Any

from keras_neural_opt._core.arguments import fraction, integer, optional, positive
from keras_neural_opt._core.backend import native
from keras_neural_opt._core.branches import nothing
from keras_neural_opt._core.tensors import Tensors, add_scaled, bias_correction, scale
from keras_neural_opt.optimizers._wrapper import Wrapper, export


@export
class SwitchToSGD(Wrapper):
    r"""From an adaptive method to SGD (Keskar and Socher, 2017), at a given step or by their SWATS.

    Adaptive methods are fast at first, SGD with momentum often generalizes better in the end: start with the one and
    finish with the other. At a step of your choice with a rate of your choice; or without either, when the rate that
    the adaptive steps amount to has settled, and with that rate.

    .. math::
        \gamma_t &= \frac{\Delta_t \cdot \Delta_t}{- \Delta_t \cdot g_t}, \qquad
        \lambda_t = \beta \lambda_{t-1} + (1 - \beta) \gamma_t, \qquad
        \hat\lambda_t = \lambda_t / (1 - \beta^t), \qquad
        \Delta_t = \theta_t' - \theta_{t-1} \\
        &\text{switch with } \eta = (1 - \mu) \hat\lambda_t \text{ when } t > 1,\; \hat\lambda_t > 0,\;
        \lvert \hat\lambda_t - \gamma_t \rvert < \epsilon; \qquad \text{from then on} \\
        v_t &= \mu v_{t-1} + g_t, \qquad \theta_t = \theta_{t-1} - \eta v_t

    where :math:`\theta_t'` is what the inner optimizer makes of :math:`\theta_{t-1}`.

    Args:
        inner_optimizer: The adaptive optimizer, or its name.
        at_step: None for SWATS, or the number >= 1 of effective steps of the inner optimizer; SGD takes the next.
        learning_rate: :math:`\eta > 0` of SGD; needed with `at_step`, and only then.
        momentum: :math:`\mu` in [0, 1). Defaults to 0.9.
        beta: :math:`\beta` in [0, 1), the decay of the mean rate. Defaults to 0.999.
        epsilon: :math:`\epsilon > 0`. Defaults to 1e-9.
        name: The name of this optimizer.

    Raises:
        ValueError: An argument breaks its rule; there is a learning rate without a step or a step without one; or the
            inner optimizer scales the loss, averages weights or accumulates gradients, which belongs outside.

    Example:
        >>> import keras_neural_opt as kno
        >>> optimizer = kno.optimizers.SwitchToSGD("adam", at_step=10_000, learning_rate=0.1)
        >>> swats = kno.optimizers.SwitchToSGD(kno.optimizers.Adam(1e-3))

    Note:
        The paper takes one rate for all variables, as here; pytorch_optimizer's SWATS takes one a variable. SGD sees
        the gradients before the clipping of the inner optimizer, which goes on being computed, and applies no weight
        decay; `learning_rate` remains that of the inner optimizer. State: 4 bytes a float32 parameter besides the
        inner optimizer's, and a copy of the variables during a step.

    References:
        Keskar, Socher, Improving Generalization Performance by Switching from Adam to SGD, 2017,
        https://arxiv.org/abs/1712.07628
    """

    at_step: int | None
    momentum: float
    beta: float
    epsilon: float
    slots = ("velocity",)
    changes_gradients = True
    rewrites_steps = True

    def __init__(
        self,
        inner_optimizer: Any,
        at_step: int | None = None,
        learning_rate: float | None = None,
        momentum: float = 0.9,
        beta: float = 0.999,
        epsilon: float = 1e-9,
        name: str | None = None,
    ) -> None:
        super().__init__(inner_optimizer, name=name)
        rate = optional(positive(learning_rate)).check(type(self).__name__, "learning_rate")
        self.set_hyperparameters(
            at_step=optional(integer(at_step, 1)),
            momentum=fraction(momentum),
            beta=fraction(beta),
            epsilon=positive(epsilon),
        )
        if (at_step is None) is not (rate is None):
            raise ValueError(
                f"{type(self).__name__}.learning_rate must be given together with at_step; received {learning_rate!r}"
                f" and at_step={at_step!r}"
            )
        if self.loss_scale_factor:
            raise ValueError(
                f"{type(self).__name__}.inner_optimizer must not scale the loss: SGD sees the scaled gradients"
            )
        self.sgd_learning_rate = rate

    def build(self, variables: Sequence[Any]) -> None:
        """Create the state of both optimizers for `variables`."""
        if not self.built:
            with native.on_host():
                self.mean_rate, self.switched_rate = (
                    self.add_variable((), name=name, aggregation="only_first_replica")
                    for name in ("mean_rate", "switched_rate")
                )
        super().build(variables)

    def needs_old_value(self, variable: Any) -> bool:
        return True

    def after(self, gradients: list[Any], variables: list[Any], old: list[Any], step: Any) -> None:
        if self.at_step is not None:
            rate = self.sgd_learning_rate
            due = step > self.at_step
            native.when(due, lambda: self._sgd(gradients, variables, old, rate), nothing, self.assignable)
            return
        rate = native.snapshot(native.read(self.switched_rate))
        native.when(
            rate > 0,
            lambda: self._sgd(gradients, variables, old, native.scalar(rate)),
            lambda: self._observe(gradients, variables, old, native.scalar(step)),
            self.assignable,
        )

    def _sgd(self, gradients: list[Any], variables: list[Any], old: list[Any], rate: Any) -> None:
        kept = self.slot("velocity", variables)
        velocity = add_scaled(scale(Tensors(native.read_all(kept)), self.momentum), Tensors(gradients), 1.0)
        new = add_scaled(Tensors([native.snapshot(x) for x in old]), velocity, -rate)
        native.write(kept, velocity.tensors)
        native.write(variables, new.tensors)

    def _observe(self, gradients: list[Any], variables: list[Any], old: list[Any], t: Any) -> None:
        steps = [y - x for x, y in zip(old, native.read_all(variables), strict=True)]
        length, slope = _dot(steps, steps), -_dot(steps, gradients)
        usable = slope != 0
        rate = length / native.where(usable, slope, native.ones_like(slope))
        mean = native.snapshot(native.read(self.mean_rate))
        mean = native.where(usable, mean + (1.0 - self.beta) * (rate - mean), mean)
        settled = mean / bias_correction(self.beta, t)
        due = usable & (t > 1.5) & (settled > 0) & (abs(settled - rate) < self.epsilon)
        native.write([self.mean_rate], [mean])
        native.write([self.switched_rate], [native.where(due, (1.0 - self.momentum) * settled, 0.0 * settled)])

    def get_config(self) -> dict[str, Any]:
        """Return the constructor arguments, JSON-ready."""
        return {**super().get_config(), "learning_rate": self.sgd_learning_rate}


def _dot(xs: list[Any], ys: list[Any]) -> Any:
    return sum(native.total(native.cast(x * y, "float32")) for x, y in zip(xs, ys, strict=True))
