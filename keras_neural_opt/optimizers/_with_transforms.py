"""Gradient transforms around any optimizer."""

from collections.abc import Sequence
from functools import reduce
from itertools import compress
from operator import and_
from typing import Any, Self

import keras

from keras_neural_opt._core.backend import native
from keras_neural_opt._core.tensors import Tensors, on_marked
from keras_neural_opt.optimizers._checks import check_transforms
from keras_neural_opt.optimizers._wrapper import Wrapper, export
from keras_neural_opt.transforms import GradientContext, GradientTransform
from keras_neural_opt.transforms._transform import judges


@export
class WithTransforms(Wrapper):
    r"""Runs gradient transforms before another optimizer (Neelakantan et al., 2015, and those that they name).

    For Keras' own optimizers, which take no `gradient_transforms`. Those of this library do: inside they see gradients
    after clipping and accumulation, and what they compute is shared.

    .. math:: g_t \leftarrow T_n(\dots T_1(g_t))

    Args:
        inner_optimizer: The optimizer, or its name.
        gradient_transforms: `GradientTransform` objects, which run in order; copies are kept.
        name: The name of this optimizer.

    Raises:
        ValueError: An argument breaks its rule, or the inner optimizer accumulates gradients: put
            `GradientAccumulation` around this instead.

    Example:
        >>> import keras
        >>> import keras_neural_opt as kno
        >>> clipping = kno.transforms.AutoClip(10)
        >>> optimizer = kno.optimizers.with_transforms(keras.optimizers.Adam(1e-3), [clipping])

    Note:
        The gradients are summed over replicas, and seen before the inner optimizer clips them or, with `nonfinite` of
        ours, judges them: what a transform makes finite is stepped along, and transforms run in steps that it skips.
        Where a transform itself leaves out a step, nothing changes. State: that of the transforms, none of
        its own; bytes as they say.

    References:
        Neelakantan, Vilnis, Le, Sutskever, Kaiser, Kurach, Martens, Adding Gradient Noise Improves Learning for Very
        Deep Networks, 2015, https://arxiv.org/abs/1511.06807
    """

    changes_gradients = True
    needs_whole_gradients = True

    def __init__(
        self, inner_optimizer: Any, gradient_transforms: Sequence[GradientTransform], name: str | None = None
    ) -> None:
        transforms = check_transforms(type(self).__name__, gradient_transforms)
        super().__init__(inner_optimizer, name=name)
        self.gradient_transforms = transforms

    def create_state(self, variables: list[Any]) -> None:
        """Create that of the transforms."""
        for transform in self.gradient_transforms:
            transform.build(self, variables)

    @property
    def _steps_every_time(self) -> bool:
        return not judges(self.gradient_transforms) and super()._steps_every_time

    def _step(
        self, own: list[Any], moved: list[Any], gradients: list[Any], variables: list[Any], given: list[int]
    ) -> None:
        if not judges(self.gradient_transforms):
            super()._step(own, moved, gradients, variables, given)
            return

        def judged(local: list[Any]) -> list[Any]:
            local = native.dense(local, moved)
            return [*local, self._accepts(local, moved)]

        def step() -> None:
            mine = list(gradients)
            changed = native.locally(self, moved, lambda local: self.before(local, moved), own)
            for i, gradient in zip(given, changed, strict=True):
                mine[i] = gradient
            self.inner_optimizer.apply(mine, variables)

        *own, taken = native.update(self, own, moved, judged)
        native.step_when(taken, step, [*self.variables, *self._trainable_variables])

    def _accepts(self, gradients: list[Any], variables: list[Any]) -> Any:
        stepping, context = self._stepping(variables)
        values = Tensors(compress(gradients, stepping))
        return reduce(and_, [judge.accepts(values, context) for judge in judges(self.gradient_transforms)])

    def before(self, gradients: list[Any], variables: list[Any]) -> list[Any]:
        """Return the transformed gradients."""
        stepping, context = self._stepping(variables)

        def transformed(values: Tensors) -> Tensors:
            for transform in self.gradient_transforms:
                values = transform(values, context)
            return values

        return list(on_marked(stepping, transformed, Tensors(gradients)).tensors)

    def _stepping(self, variables: list[Any]) -> tuple[list[bool], GradientContext]:
        # What is overwritten with its gradient, such as a scale of quantization, takes no step.
        stepping = [not self._overwrite_variable_with_gradient(v) for v in variables]
        context = GradientContext(
            list(compress(variables, stepping)),
            lambda: native.scalar(native.read(self.iterations)) + 1.0,
            lambda: native.scalar(self.learning_rate),
        )
        return stepping, context

    def finish(self, variables: list[Any]) -> None:
        """Let the transforms say what a compiled step could not."""
        for transform in self.gradient_transforms:
            transform.finish(self)

    def get_config(self) -> dict[str, Any]:
        """Return the constructor arguments, JSON-ready."""
        transforms = [keras.saving.serialize_keras_object(transform) for transform in self.gradient_transforms]
        return {**super().get_config(), "gradient_transforms": transforms}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Self:
        """Return an optimizer with this configuration, without state."""
        given = config.get("gradient_transforms", ())
        transforms = [keras.saving.deserialize_keras_object(x, custom_objects=custom_objects) for x in given]
        return super().from_config({**config, "gradient_transforms": transforms}, custom_objects)


def with_transforms(optimizer: Any, gradient_transforms: Sequence[GradientTransform]) -> WithTransforms:
    """Return an optimizer, native or ours, that runs gradient transforms first.

    Args:
        optimizer: The optimizer, new, or its name.
        gradient_transforms: `GradientTransform` objects, which run in order.

    Returns:
        `WithTransforms` around it.

    Raises:
        ValueError: An argument breaks its rule.

    Example:
        >>> import keras
        >>> import keras_neural_opt as kno
        >>> optimizer = kno.optimizers.with_transforms("sgd", [kno.transforms.GradientCentralization()])
    """
    return WithTransforms(optimizer, gradient_transforms)
