"""The declaration of one kind of optimizer state."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from keras_neural_opt._core.backend import native


@dataclass(frozen=True)
class Slot:
    """State that an optimizer keeps for each variable.

    Args:
        name: Its name, which is also its name in saved files.
        initializer: A Keras initializer or its name, or `"value"` for the variable's own value. Defaults to zeros.
        shape: A function from the variable's shape to the slot's. Defaults to the variable's own shape.
        dtype: The slot's dtype, or a function from the variable's dtype to it. Defaults to the variable's own.

    Example:
        >>> import keras_neural_opt as kno
        >>> class Counting(kno.optimizers.RuleOptimizer):
        ...     slots = ("momentum", kno.optimizers.Slot("count", shape=lambda shape: (), dtype="int32"))
    """

    name: str
    initializer: Any = "zeros"
    shape: Callable[[tuple[int, ...]], tuple[int, ...]] | None = None
    dtype: str | Callable[[str], str] | None = None

    def create(self, optimizer: Any, variable: Any) -> Any:
        """Return a new optimizer variable for this slot of `variable`."""
        initializer = self.initializer
        if initializer == "value":

            def initializer(shape: Any, dtype: Any = None) -> Any:
                return native.fresh(variable)

        dtype = self.dtype(variable.dtype) if callable(self.dtype) else self.dtype or variable.dtype
        if self.shape is None and dtype == variable.dtype:
            # Keras then also copies the sharding layout and the device of the variable.
            return optimizer.add_variable_from_reference(variable, name=self.name, initializer=initializer)
        shape = tuple(variable.shape)
        return optimizer.add_variable(
            shape=self.shape(shape) if self.shape else shape,
            initializer=initializer,
            dtype=dtype,
            layout=None if self.shape else getattr(variable, "_layout", None),
            name=self.name,
        )


def at_least_float32(dtype: str) -> str:
    """Return the dtype of sums and averages over many steps: half precision rounds what each adds away."""
    return "float32" if dtype in ("float16", "bfloat16") else dtype


def kept_wide(name: str) -> Slot:
    """Return the slot of a sum or an average, which is float32 at least."""
    return Slot(name, dtype=at_least_float32)


# Roles that the base gives to its own state.
_RESERVED = (
    "iteration",
    "learning_rate",
    "peak_learning_rate",
    "moving_average",
    "gradient_accumulator",
    "accumulation_phase",
    "effective_steps",
    "skipped",
    "skipped_in_a_row",
    "transform",
    "extra",
)


def declared(owner: str, slots: "Sequence[str | Slot]") -> list[Slot]:
    """Return the slots that a class declares, given as slots or as names.

    Raises:
        ValueError: A name is declared twice or taken by the base.
    """
    found = [slot if isinstance(slot, Slot) else Slot(slot) for slot in slots]
    names = [slot.name for slot in found]
    for name in names:
        if name in _RESERVED or "." in name or names.count(name) > 1:
            raise ValueError(
                f"{owner}.slots must be different names without a dot, and none of {', '.join(_RESERVED)};"
                f" received {name!r}"
            )
    return found
