"""Contracts on constructor arguments: what is accepted, what is refused, and in which words."""

import keras
import numpy as np

from tests.contracts.arguments_table import BASE, Kind
from tests.contracts.contract import contract, refusal
from tests.contracts.subject import Subject


def kinds(subject: Subject) -> dict[str, Kind]:
    """Return the kind of every argument."""
    return {**BASE, **subject.spec.arguments}


@contract()
def declares_every_argument(subject: Subject) -> None:
    """The table knows every argument that the configuration has."""
    assert set(subject.make().get_config()) == set(kinds(subject))


@contract()
def refuses_bad_arguments(subject: Subject) -> None:
    """Every bad value of every argument raises `ValueError` in the library's one wording."""
    name = subject.spec.cls.__name__
    for argument, kind in kinds(subject).items():
        for bad in kind.bad:
            message = refusal(ValueError, lambda a=argument, b=bad: subject.spec.cls(**{a: b}))
            expected = f"{name}.{argument} must be {kind.rule}; received {bad!r}"
            assert message == expected, f"{message!r} must be {expected!r}"


@contract()
def accepts_every_kind_of_number(subject: Subject) -> None:
    """Good values, among them ints and NumPy scalars, are taken, and come out as plain JSON."""
    for argument, kind in kinds(subject).items():
        for good in kind.good:
            options = {**subject.spec.with_any_rate, argument: good}
            config = subject.spec.cls(**options).get_config()
            if isinstance(good, (bool, int, float, np.generic)):
                value = config[argument]
                assert type(value) in (bool, int, float), f"{argument}={value!r} is not plain"
                # The learning rate is kept in float32.
                assert abs(value - float(good)) <= 1e-7 * abs(float(good)), f"{argument}={good!r} became {value!r}"


@contract()
def refuses_unknown_arguments(subject: Subject) -> None:
    """A misspelled name is refused, and the nearest one is named."""
    name = subject.spec.cls.__name__
    for wrong, right in (
        ("learning_rte", "learning_rate"),
        ("weightdecay", "weight_decay"),
        ("clip_norm", "clipnorm"),
        *((f"{argument}x", argument) for argument in subject.spec.arguments),
    ):
        message = refusal(ValueError, lambda wrong=wrong: subject.spec.cls(**{wrong: 0.1}))
        assert message == f"{name}.{wrong} must be an argument of {name}; received 0.1; did you mean {right}?"
    message = refusal(ValueError, lambda: subject.spec.cls(zzzzzz=1))
    assert message == f"{name}.zzzzzz must be an argument of {name}; received 1"


@contract()
def refuses_two_kinds_of_clipping(subject: Subject) -> None:
    """At most one of Keras' three clipping arguments."""
    message = refusal(ValueError, lambda: subject.spec.cls(clipnorm=1.0, clipvalue=1.0))
    assert "clipnorm" in message
    assert "clipvalue" in message


@contract()
def refuses_a_bad_learning_rate_later(subject: Subject) -> None:
    """The setter checks as the constructor does, and a refused rate changes nothing."""
    optimizer = subject.make()
    before = float(keras.ops.convert_to_numpy(optimizer.learning_rate))
    for bad in (-1.0, float("nan"), "0.1", None):
        message = refusal(ValueError, lambda bad=bad: setattr(optimizer, "learning_rate", bad))
        assert message.endswith(f"{BASE['learning_rate'].rule}; received {bad!r}")
    assert float(keras.ops.convert_to_numpy(optimizer.learning_rate)) == before
