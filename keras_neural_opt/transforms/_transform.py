"""The contract between an optimizer and its gradient transforms."""

from collections.abc import Sequence
from typing import Any

from keras_neural_opt._core import masks
from keras_neural_opt._core.configured import Configured
from keras_neural_opt._core.norms import global_norm
from keras_neural_opt._core.tensors import Scalar, Tensors


class GradientContext:
    """What a transform may know about the step.

    Args:
        variables: The variables whose gradients are transformed, in order.
        step: The number of this effective step, from 1, or a function that returns it: on an accelerator to know it may
            be to wait.
        learning_rate: The learning rate of this step, or a function that returns it.
    """

    def __init__(self, variables: Sequence[Any], step: Scalar = 1.0, learning_rate: Scalar = 0.0) -> None:
        self.variables = list(variables)
        self._step, self._learning_rate = step, learning_rate
        self._gradients: Tensors | None = None
        self._norm: Scalar = None

    @property
    def step(self) -> Scalar:
        """The number of this effective step, from 1."""
        return self._step() if callable(self._step) else self._step

    @property
    def learning_rate(self) -> Scalar:
        """The learning rate of this step."""
        return self._learning_rate() if callable(self._learning_rate) else self._learning_rate

    def norm(self, gradients: Tensors) -> Scalar:
        """Return the global 2-norm of `gradients`, computed once however many ask for it.

        Args:
            gradients: The gradients as the caller received them.

        Returns:
            A 0-d tensor; not finite if an element is not, or if the norm itself is larger than any float.
        """
        if gradients is not self._gradients:
            self._gradients, self._norm = gradients, global_norm(gradients)
        return self._norm


class GradientTransform(Configured):
    """A function of the gradients that runs on every effective step, before weight decay and the rule.

    It sees gradients that are aggregated over replicas, averaged over accumulated micro-steps and unscaled. It must
    not update them in place: another reader may hold them.

    Subclasses override `__call__`, `build` if they have state, and `accepts` if they may refuse a whole step. All state
    is created with `optimizer.add_variable` or `optimizer.add_seed_generator`, so that it is saved, restored and
    sharded with the optimizer's own.

    Example:
        >>> import keras_neural_opt as kno
        >>> class Halve(kno.transforms.GradientTransform):
        ...     def __call__(self, gradients, context):
        ...         return gradients * 0.5
        >>> optimizer = kno.optimizers.SGD(0.1, gradient_transforms=[Halve()])
    """

    def build(self, optimizer: Any, variables: Sequence[Any]) -> None:
        """Create the state of the transform.

        Args:
            optimizer: The optimizer whose `add_variable` makes the state.
            variables: The model's trainable variables, in order.
        """

    def __call__(self, gradients: Tensors, context: GradientContext) -> Tensors:
        """Return the transformed gradients.

        Args:
            gradients: One tensor a variable, of the variable's shape and dtype.
            context: Variables, step, learning rate and the shared gradient norm.

        Returns:
            As many tensors, of the same shapes and dtypes.
        """
        raise NotImplementedError(f"{type(self).__name__} must override __call__(self, gradients, context)")

    def accepts(self, gradients: Tensors, context: GradientContext) -> Any:
        """Return whether this step is to be taken; if one transform refuses, only what this wrote is changed.

        A class that overrides it is asked on every effective step, before any transform runs.

        Args:
            gradients: As before the first transform, also before clipping.
            context: Variables, step, learning rate and the shared gradient norm.

        Returns:
            A boolean 0-d tensor, or a bool where it is known.
        """
        return True

    def finish(self, optimizer: Any) -> None:
        """Do what is to be done when `fit` ends, such as to raise what a compiled step could not.

        Args:
            optimizer: The optimizer that it was built for.
        """

    def get_config(self) -> dict[str, Any]:
        """Return the constructor arguments, JSON-ready."""
        owner = type(self).__name__
        return {name: masks.mask_config(owner, name, value) for name, value in self.hyperparameters().items()}


def judges(transforms: Sequence[GradientTransform]) -> list[GradientTransform]:
    """Return those that may refuse a step."""
    return [x for x in transforms if type(x).accepts is not GradientTransform.accepts]
