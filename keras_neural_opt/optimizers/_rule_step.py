"""One step of a rule over lists of tensors: what a backend runs, on whole variables, on parts of them or compiled."""

from collections.abc import Callable, Sequence
from typing import Any

from keras_neural_opt._core.backend import native
from keras_neural_opt._core.tensors import Scalar, Tensors, add_product, decay, on_marked


class RuleStep:
    """The rule of an optimizer together with its weight decay.

    Args:
        optimizer: The `RuleOptimizer` whose rule it is.
    """

    def __init__(self, optimizer: Any) -> None:
        self._optimizer = optimizer
        # A subclass that writes a rule of its own does not mean its parent's kernel.
        mro = type(optimizer).__mro__
        rule, fused = (next(c for c in mro if name in vars(c)) for name in ("rule", "fused"))
        self._has_kernel = issubclass(fused, rule)
        self.compilable = True
        self.remembered: dict[Any, Any] = {}  # what the backend compiled from it

    @property
    def elementwise(self) -> bool:
        """Whether it may be run on parts of variables."""
        return bool(self._optimizer.elementwise)

    @property
    def compiles(self) -> bool:
        """Whether the user asked for a compiled form, and none has failed yet."""
        # What follows a schedule would be compiled anew for each of its values.
        optimizer = self._optimizer
        return bool(optimizer.compile_update) and self.compilable and not optimizer.follows_schedules

    def constants(self) -> tuple[Any, ...]:
        """Return the settings that a compiled form has built in: every plain one, for a rule may read them all."""
        settings = vars(self._optimizer).items()
        return tuple(x for name, x in settings if isinstance(x, (bool, int, float, str)) and name != "weight_decay")

    @property
    def name(self) -> str:
        """The optimizer's class."""
        return type(self._optimizer).__name__

    def kernel(self, kernels: Any) -> Callable[..., None] | None:
        """Return the one of the backend's fused kernels that computes exactly this, or None."""
        optimizer = self._optimizer
        if not self._has_kernel or (optimizer.weight_decay and optimizer.weight_decay_mode == "cautious"):
            return None
        kernel: Callable[..., None] | None = optimizer.fused(kernels)
        return kernel

    def __call__(
        self,
        lists: list[list[Any]],
        decayed: Sequence[bool],
        marks: Sequence[dict[str, Any]],
        lr: Scalar,
        t: Scalar,
        coefficient: Scalar | None,
        kind: type[Tensors] = Tensors,
    ) -> list[list[Any]]:
        """Return the lists of the new variables and of each new slot.

        Args:
            lists: Variables, gradients and each slot.
            decayed: Which of the variables are decayed.
            marks: What `RuleOptimizer.marks` says of each.
            lr: The learning rate.
            t: The number of the effective step, from 1.
            coefficient: The coefficient of weight decay, or None.
            kind: What the rule gets the lists as.
        """
        optimizer = self._optimizer
        # Declared elementwise, a rule may be run on parts of variables, where a norm would be wrong: it raises here.
        p, g, *slots = (kind(x, whole=not self.elementwise) for x in lists)
        options: dict[str, Any] = {name: [mark[name] for mark in marks] for name in marks[0]}
        mode = "none" if coefficient is None else optimizer.weight_decay_mode
        apart = mode in ("none", "l2", "cautious")
        if optimizer.decay_in_rule:
            options["decay"] = kind(0.0 if apart or not marked else coefficient for marked in decayed)
        if mode == "l2":
            g = on_marked(decayed, lambda g, p: g + p * coefficient, g, p)
        elif not apart and not optimizer.decay_in_rule:
            p = on_marked(decayed, lambda p: decay(p, lr * coefficient), p)
        old = on_marked(decayed, lambda p: p.map(native.snapshot), p) if mode == "cautious" else p
        g.borrowed = True
        new = as_tuple(optimizer.rule(p, g, lr, t, *slots, **options))
        if mode == "cautious":
            p = on_marked(decayed, lambda p, old: cautious_decay(p, old, lr * coefficient), new[0], old)
            new = (p, *new[1:])
        if len(new) != 1 + len(slots):
            raise TypeError(
                f"{self.name}.rule must return the variables and {len(slots)} slots; it returned {len(new)} values"
            )
        return [values.tensors for values in new]


def cautious_decay(p: Tensors, old: Tensors, amount: Scalar) -> Tensors:
    """Return `p - amount * old` where the step from `old` to `p` does not move away from 0. Consumes `p`."""
    toward_zero = (old - p).sign() * old.sign()  # 1, -1, or 0 where there was no step or nothing to decay
    return add_product(p, old, (toward_zero + 1.0).clip(0.0, 1.0), -amount)


def as_tuple(results: Any) -> tuple[Tensors, ...]:
    """Return what a rule returned as a tuple: a rule without slots returns the variables alone."""
    return results if isinstance(results, tuple) else (results,)
