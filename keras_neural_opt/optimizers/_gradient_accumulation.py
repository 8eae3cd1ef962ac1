"""Gradient accumulation, around any optimizer."""

from typing import Any

from keras_neural_opt._core.arguments import choice, integer
from keras_neural_opt._core.backend import native
from keras_neural_opt._core.tensors import Tensors, add_scaled
from keras_neural_opt.optimizers._slot import kept_wide
from keras_neural_opt.optimizers._wrapper import Wrapper, export


@export
class GradientAccumulation(Wrapper):
    r"""Gradient accumulation (Ott, Edunov, Grangier and Auli, 2018).

    Several calls make one step of another optimizer, with the mean of their gradients: a large batch on a device that
    has room for a small one. The other calls change neither the variables nor anything of the inner optimizer.

    .. math::
        a \leftarrow a + g, \qquad
        \text{on every } k\text{-th call:} \quad \bar g = a / k \;\text{ or }\; a, \qquad a \leftarrow 0

    where :math:`\bar g` is the gradient that the inner optimizer gets.

    Args:
        inner_optimizer: The optimizer, or its name.
        steps: :math:`k \ge 1`, the number of calls that make one step.
        reduction: `"mean"`, as of one large batch, or `"sum"`, where the loss is already divided by :math:`k`. Defaults
            to `"mean"`.
        name: The name of this optimizer.

    Raises:
        ValueError: An argument breaks its rule; or the inner optimizer accumulates gradients itself, or scales the
            loss, which belongs outside.

    Example:
        >>> import keras
        >>> import keras_neural_opt as kno
        >>> optimizer = kno.optimizers.GradientAccumulation(keras.optimizers.Adam(1e-3), steps=4)
        >>> slow = kno.optimizers.Lookahead(kno.optimizers.GradientAccumulation("radam", steps=4))

    Note:
        As `optax.MultiSteps` where every variable has a gradient in every call, and as `gradient_accumulation_steps`
        of our optimizers, whose sums have the variables' dtypes; that of Keras' own fails under
        `tf.distribute.MirroredStrategy`. A variable without a gradient in the last call of a window stands still, and
        what it had before is dropped: where calls train different variables in turn, take an optimizer for each group
        of them. `iterations` counts steps, not calls; a window goes on in the next epoch, the next `fit` and after
        loading. Under `tf.distribute` every call sums the gradients over the replicas. State: 4 bytes a parameter,
        which is a float32 sum also for float16, besides the inner optimizer's.

    References:
        Ott, Edunov, Grangier, Auli, Scaling Neural Machine Translation, 2018, https://arxiv.org/abs/1806.00187
    """

    steps: int
    reduction: str
    slots = (kept_wide("gradient_sum"),)
    counters = ("calls",)
    changes_gradients = True
    accumulates = True

    def __init__(self, inner_optimizer: Any, steps: int, reduction: str = "mean", name: str | None = None) -> None:
        super().__init__(inner_optimizer, name=name)
        self.set_hyperparameters(steps=integer(steps, 1), reduction=choice(reduction, ("mean", "sum")))

    @property
    def _steps_every_time(self) -> bool:
        return False

    def _step(
        self, own: list[Any], moved: list[Any], gradients: list[Any], variables: list[Any], given: list[int]
    ) -> None:
        # Scales of float8 follow every call: they are values, of which there is no mean.
        own, moved = self._overwrite_variables_directly_with_gradients(own, moved)
        if not moved:
            return
        without = [v for v, g in zip(variables, gradients, strict=True) if g is None]
        sums, calls = self.slot("gradient_sum", moved), self.counter("calls")

        def accumulate(local: list[Any]) -> None:
            total = add_scaled(Tensors(native.read_all(sums)), Tensors(native.dense(local, sums)), 1.0)
            native.write([*sums, calls], [*total.tensors, native.read(calls) + 1])

        def step() -> None:
            try:
                total = Tensors(native.read_all(sums))
                if self.reduction == "mean":
                    total = total.divided_by(native.scalar(native.read(calls)))
                mine = [native.cast(x, v.dtype) for x, v in zip(total.tensors, moved, strict=True)]
                # It also gets those without a gradient, to say so.
                self.inner_optimizer.apply([*mine, *(None for _ in without)], [*moved, *without])
            finally:
                # The window is over also if the step raised, and also of what has no gradient this time.
                native.locally(self, moved, lambda: native.clear([*self._plan.slots["gradient_sum"], calls]))

        native.update(self, own, moved, accumulate)
        # Not `==`: a state may have been saved in a longer window.
        native.step_when(native.read(calls) >= self.steps, step, [*self.variables, *self._trainable_variables])
