"""Dynamic loss scaling with a floor."""

from typing import Any

import keras
from keras import ops

from keras_neural_opt._core import registry
from keras_neural_opt._core.arguments import integer, optional, positive, text
from keras_neural_opt._core.backend import native
from keras_neural_opt.optimizers._wrapper import checked_inner


@registry.export
class LossScale(keras.optimizers.LossScaleOptimizer):
    r"""Dynamic loss scaling for mixed precision (Micikevicius et al., 2018).

    Multiplies the loss so that small float16 gradients do not vanish, and divides the gradients again. A step with a
    gradient that is not finite is left out and halves the scale; many good steps in a row double it. With bfloat16
    none of this is needed.

    .. math::
        s \leftarrow \begin{cases} \max(s / 2, s_{\min}) & \text{a gradient is not finite} \\
        2 s & \text{after } G \text{ finite steps in a row} \end{cases}

    Args:
        inner_optimizer: The optimizer, or its name.
        initial_scale: The first :math:`s > 0`. Defaults to 32768.
        dynamic_growth_steps: :math:`G \ge 1`. Defaults to 2000.
        minimum_scale: :math:`s_{\min} > 0`. Defaults to 1.
        name: The name of this optimizer.
        **kwargs: What older configurations of Keras' class have, at its default.

    Raises:
        ValueError: An argument breaks its rule.

    Example:
        >>> import keras_neural_opt as kno
        >>> optimizer = kno.optimizers.LossScale(kno.optimizers.AdamW(1e-3))

    Note:
        `keras.optimizers.LossScaleOptimizer` with three repairs: its scale falls to 0 after 165 bad steps, after which
        one good step gives infinite weights; under `tf.distribute` it asks one replica only whether gradients are
        finite; it does not count what it leaves out, here `skipped`. State: 12 bytes besides the inner optimizer's.

    References:
        Micikevicius, Narang, Alben, Diamos, Elsen, Garcia, Ginsburg, Houston, Kuchaiev, Venkatesh, Wu, Mixed Precision
        Training, 2018, https://arxiv.org/abs/1710.03740
    """

    def __init__(
        self,
        inner_optimizer: Any,
        initial_scale: float = 2.0**15,
        dynamic_growth_steps: int = 2000,
        minimum_scale: float = 1.0,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        owner = type(self).__name__
        inner = checked_inner(owner, inner_optimizer)
        scale = positive(initial_scale).check(owner, "initial_scale")
        steps = integer(dynamic_growth_steps, 1).check(owner, "dynamic_growth_steps")
        least = positive(minimum_scale).check(owner, "minimum_scale")
        if least > scale:
            raise ValueError(
                f"{owner}.minimum_scale must be at most initial_scale, {scale}; received {minimum_scale!r}"
            )
        super().__init__(inner, scale, steps, name=optional(text(name)).check(owner, "name"), **kwargs)
        self.minimum_scale = least

    def build(self, var_list: Any) -> None:
        """Create the scale, the counters and the inner optimizer's state."""
        if self.built:
            return
        self.skipped = self.add_variable((), dtype="int", name="skipped", aggregation="none")
        super().build(var_list)

    def check_finite(self, grads: Any) -> Any:
        """Return whether every gradient is finite, on all replicas."""
        return native.on_every_replica(super().check_finite(grads))

    def _stateful_handle_non_finite_grads(self) -> None:
        self.step_counter.assign(0)
        self.dynamic_scale.assign(ops.maximum(ops.multiply(self.dynamic_scale, 0.5), self.minimum_scale))
        self.skipped.assign(ops.add(self.skipped, 1))

    def _stateless_handle_non_finite_grads(self, optimizer_variables: Any, trainable_variables: Any) -> Any:
        mapping = list(zip(self.variables, optimizer_variables, strict=True))
        with keras.StatelessScope(state_mapping=mapping) as scope:
            self._stateful_handle_non_finite_grads()
        return trainable_variables, [scope.get_current_value(v) for v in self.variables]

    def get_config(self) -> dict[str, Any]:
        """Return the constructor arguments, JSON-ready."""
        return {**super().get_config(), "minimum_scale": self.minimum_scale}
