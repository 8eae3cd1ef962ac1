"""What a contract is run on: an optimizer with one choice of options, its twin, and what it declares."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.contracts.arguments_table import Kind
from tests.oracles.loop import Loop
from tests.oracles.rule import Rule


@dataclass(frozen=True)
class Spec:
    """One row of the table of optimizers: everything that the contracts need to know about a class.

    Args:
        cls: The class.
        rule: Makes the float64 twin from a base learning rate and the options; its state has the slots' names.
        learning_rate: A rate at which ten steps move the test's variables by about one.
        variants: Choices of options. The first one is the class at its simplest.
        arguments: The kind of each hyperparameter, which says what it accepts.
        rate_of_quadratic: A rate that reaches the minimum of an ill-conditioned quadratic.
        on_optax_problems: Options, a rate among them, that reach the minima of optax's two problems.
        keras_class: Keras' own class of that name, with the same arguments, defaults and numerics.
        loop: What the twin's loop does by default for this class.
        with_any_rate: Options that the class needs when the first learning rate is 0 or not known.
        row_wise: For which options TensorFlow's sparse gradients change the touched rows only.
    """

    cls: Callable[..., Any]
    rule: Callable[..., Rule]
    learning_rate: float
    variants: tuple[Mapping[str, Any], ...]
    arguments: Mapping[str, Kind]
    rate_of_quadratic: float
    on_optax_problems: Mapping[str, Any]
    keras_class: Callable[..., Any] | None = None
    loop: Mapping[str, Any] = field(default_factory=dict)
    with_any_rate: Mapping[str, Any] = field(default_factory=dict)
    row_wise: Callable[[Mapping[str, Any]], bool] = lambda options: False


@dataclass(frozen=True)
class Subject:
    """A spec with one of its variants."""

    spec: Spec
    options: Mapping[str, Any]

    def __str__(self) -> str:
        marks = [name if value is True else f"{name}={value}" for name, value in self.options.items()]
        return ",".join([self.spec.cls.__name__, *marks])

    def make(self, **base: Any) -> Any:
        """Return the optimizer, with options of the base."""
        return self.spec.cls(**{"learning_rate": self.spec.learning_rate, **self.options, **base})

    def twin(self, **loop: Any) -> Loop:
        """Return the float64 twin, with services of the loop."""
        lr = loop.pop("learning_rate", self.spec.learning_rate)
        rule = self.spec.rule(lr(0) if callable(lr) else lr, **self.options)
        return Loop(rule, lr, **{**self.spec.loop, **loop})

    @property
    def row_wise(self) -> bool:
        """Whether TensorFlow's sparse gradients change the touched rows only."""
        return self.spec.row_wise(self.options)

    @property
    def without_decay(self) -> dict[str, float]:
        """The options with which the class decays nothing."""
        return {"weight_decay": 0.0} if self.spec.loop.get("weight_decay") else {}
