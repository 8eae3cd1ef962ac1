"""Lookahead."""

from typing import Any

from keras_neural_opt._core.arguments import choice, integer, positive_fraction
from keras_neural_opt._core.backend import native
from keras_neural_opt._core.branches import nothing
from keras_neural_opt._core.masks import path_of
from keras_neural_opt._core.tensors import Tensors, lerp
from keras_neural_opt.optimizers._base import RuleOptimizer
from keras_neural_opt.optimizers._slot import Slot
from keras_neural_opt.optimizers._wrapper import Wrapper, export


@export
class Lookahead(Wrapper):
    r"""Lookahead: k steps forward, 1 step back (Zhang, Lucas, Hinton and Ba, 2019).

    Slow weights follow the fast ones of another optimizer: every :math:`k` steps they go a part of the way to where
    those are, and the fast ones start again from there. Less sensitive to the inner learning rate, often a little
    better in the end, at one more copy of the weights. Best known around `RAdam`: `Ranger`.

    .. math::
        \phi_t = \phi_{t-k} + \alpha (\theta_t - \phi_{t-k}), \qquad \theta_t \leftarrow \phi_t \qquad
        \text{if } t \bmod k = 0

    Args:
        inner_optimizer: The optimizer of the fast weights, or its name.
        sync_period: :math:`k \ge 1`, in effective steps. Defaults to 6.
        slow_step_size: :math:`\alpha` in (0, 1]. Defaults to 0.5.
        pullback: What a synchronization does to the momentum of the inner optimizer: `"none"` keeps it, `"reset"` sets
            it to 0, `"pullback"` moves it as the weights. Defaults to `"none"`.
        name: The name of this optimizer.

    Raises:
        ValueError: An argument breaks its rule.

    Example:
        >>> import keras
        >>> import keras_neural_opt as kno
        >>> optimizer = kno.optimizers.Lookahead(kno.optimizers.RAdam(1e-3), sync_period=5)
        >>> native = kno.optimizers.Lookahead(keras.optimizers.SGD(0.1, momentum=0.9), pullback="reset")

    Note:
        As `optax.lookahead` with `reset_state=False` and TensorFlow Addons' `Lookahead`. The slow weights are those
        that the variables have when the optimizer is built. A variable without a gradient in the step of a
        synchronization is left out of it. State: 4 bytes a float32 parameter besides the inner optimizer's, 8 with
        `"pullback"`.

    References:
        Zhang, Lucas, Hinton, Ba, Lookahead Optimizer: k steps forward, 1 step back, 2019,
        https://arxiv.org/abs/1907.08610
    """

    sync_period: int
    slow_step_size: float
    pullback: str

    def __init__(
        self,
        inner_optimizer: Any,
        sync_period: int = 6,
        slow_step_size: float = 0.5,
        pullback: str = "none",
        name: str | None = None,
    ) -> None:
        super().__init__(inner_optimizer, name=name)
        self.set_hyperparameters(
            sync_period=integer(sync_period, 1),
            slow_step_size=positive_fraction(slow_step_size),
            pullback=choice(pullback, ("none", "reset", "pullback")),
        )

    @property
    def slots(self) -> tuple[Slot | str, ...]:  # type: ignore[override]
        slow = Slot("slow", initializer="value")
        return (slow, "slow_momentum") if self.pullback == "pullback" else (slow,)

    def _build_inner(self, variables: list[Any]) -> None:
        super()._build_inner(variables)
        if self.pullback != "none" and not momenta_of(self.inner_optimizer, variables):
            raise ValueError(
                f"Lookahead.pullback must be 'none' for an inner optimizer without a momentum for each variable's path;"
                f" received {self.pullback!r} and {type(self.inner_optimizer).__name__}"
            )

    @property
    def assignable(self) -> list[Any]:
        momenta = (
            [] if self.pullback == "none" else momenta_of(self.inner_optimizer, self._trainable_variables).values()
        )
        return [*super().assignable, *momenta]

    def after(self, gradients: list[Any], variables: list[Any], old: list[Any], step: Any) -> None:
        native.when(step % self.sync_period == 0, lambda: self._synchronize(variables), nothing, self.assignable)

    def _synchronize(self, variables: list[Any]) -> None:
        _meet(self.slot("slow", variables), variables, self.slow_step_size)
        if self.pullback == "none":
            return
        momenta = momenta_of(self.inner_optimizer, self._trainable_variables)
        chosen = [(self.position(v), momenta.get(self.position(v))) for v in variables]
        found = [(i, m) for i, m in chosen if m is not None]
        if self.pullback == "reset":
            native.clear([m for _, m in found])
        else:
            slow = self._plan.slots["slow_momentum"]
            _meet([slow[i] for i, _ in found], [m for _, m in found], self.slow_step_size)


def _meet(slow: list[Any], fast: list[Any], part: float) -> None:
    """Move slow values a part of the way to the fast ones, and the fast ones there, too."""
    if not slow:
        return
    new = lerp(Tensors(native.read_all(slow)), Tensors(native.read_all(fast)), part).tensors
    native.write(slow, new)
    native.write(fast, [native.copy(x) for x in new])  # two variables must not share a buffer


def momenta_of(optimizer: Any, variables: list[Any]) -> dict[int, Any]:
    """Return the momentum that an optimizer, or the one inside of it, keeps, by the position of its variable.

    Of Keras' optimizers by its name, which Keras makes of the variable's path: they have no other way to ask.
    """
    while isinstance(optimizer, Wrapper):
        optimizer = optimizer.inner_optimizer
    if isinstance(optimizer, RuleOptimizer):
        kept = optimizer.slots_of("momentum")
        return {i: m for i, m in enumerate(kept) if m is not None}
    names = [f"{path_of(v).replace('/', '_')}_momentum" for v in variables]
    if len(set(names)) < len(names):
        return {}
    return {names.index(m.name): m for m in optimizer.variables if m.name in names}
