"""Contracts on numbers: every way to run an optimizer gives what its float64 twin gives."""

import inspect
from typing import Any

import keras
import numpy as np
from keras.src.optimizers.base_optimizer import BaseOptimizer

from tests.contracts.contract import contract
from tests.contracts.problem import (
    TO_ORACLE,
    assert_follows,
    assert_same,
    distance,
    gradients,
    largest,
    make_variables,
    read,
    start_values,
)
from tests.contracts.running import BACKEND, COMPILED, USERS_WAYS, run, run_on
from tests.contracts.subject import Subject

Cosine = keras.optimizers.schedules.CosineDecay


def assert_equals_twin(
    subject: Subject, way: str = "eager", base: dict[str, Any] | None = None, loop: dict[str, Any] | None = None
) -> None:
    """Assert that the optimizer with options `base` follows its twin with services `loop` (or the same)."""
    start, micro_steps = start_values(), gradients()
    twin = subject.twin(**(base or {} if loop is None else loop)).start(start)
    expected = twin.run(micro_steps)
    result = run(subject.make(**(base or {})), start, micro_steps, way)
    assert_follows(result.trajectory, expected, start)
    assert int(result.optimizer.iterations) == twin.steps


@contract(every_variant=True)
def equals_its_twin_in_every_way(subject: Subject) -> None:
    """Eager, graph and compiled runs all follow the oracle; the state does, too."""
    start, micro_steps = start_values(), gradients()
    twin = subject.twin().start(start)
    expected = twin.run(micro_steps)
    for way in USERS_WAYS:
        result = run(subject.make(), start, micro_steps, way)
        assert_follows(result.trajectory, expected, start)
        assert_slots_equal(result.optimizer, twin.state)


@contract(every_variant=True)
def equals_its_twin_on_large_variables(subject: Subject) -> None:
    """Variables that are computed in parts come out whole, the last elements too."""
    shapes = [(601, 503), (3,), (70_001,)]
    start, micro_steps = start_values(shapes), gradients(3, shapes)
    expected = subject.twin().start(start).run(micro_steps)
    # The largest of 400,000 rounding errors is a little larger than that of 50.
    assert_follows(run(subject.make(), start, micro_steps).trajectory, expected, start, 2 * TO_ORACLE)


def assert_slots_equal(optimizer: Any, expected: list[dict[str, Any]]) -> None:
    """Assert that every slot of every variable is the twin's, in shape and, nearly, in value."""
    slots = optimizer.state_by_role()
    for i, state in enumerate(expected):
        for name, wanted in state.items():
            value = read([slots[f"{name}.{i}"]])[0]
            assert value.shape == wanted.shape, f"{name}.{i} has shape {value.shape}, must have {wanted.shape}"
            # Slots are sums of ten terms, of which each is rounded a few times.
            assert distance([value], [wanted]) <= 2e-6 * largest([wanted]), f"{name}.{i} is {value}, must be {wanted}"


@contract(every_variant=True)
def lets_subclasses_change_the_rule(subject: Subject) -> None:
    """A subclass's own `rule` is what runs, however fast the kernel that computes its parent's."""

    def stand_still(self: Any, p: Any, g: Any, lr: Any, t: Any, *slots: Any, **marks: Any) -> Any:
        return p, *slots

    still = type("Still", (subject.spec.cls,), {"rule": stand_still})
    start = start_values()
    result = run(still(**{**subject.options, **subject.without_decay}), start, gradients(2))
    assert_same(read(result.variables), read(start), "a variable that the rule leaves alone")


@contract(every_variant=True, pointless=lambda subject: "" if COMPILED else f"{BACKEND} runs eagerly: no traces")
def traces_once(subject: Subject) -> None:
    """Ten compiled steps, with a schedule, are traced once."""
    rate = Cosine(subject.spec.learning_rate, 20)
    for way in COMPILED:
        result = run(subject.make(learning_rate=rate), start_values(), gradients(), way)
        assert result.traces == 1, f"{way}: traced {result.traces} times"


def _no_keras_class(subject: Subject) -> str:
    if not subject.spec.keras_class:
        return "Keras has no such class"
    return "" if set(subject.options) <= set(_parameters(subject.spec.keras_class)) else "Keras has no such option"


@contract(pointless=_no_keras_class)
def has_the_signature_of_keras(subject: Subject) -> None:
    """Arguments of Keras' class come in the same order with the same defaults, so that one import migrates."""
    keras_class = _parameters(subject.spec.keras_class)
    ours = _parameters(subject.spec.cls)
    # Keras' base for TensorFlow hides its arguments; the base of all backends names them.
    base = set(_parameters(BaseOptimizer)) - {"learning_rate"}
    own = {name: default for name, default in keras_class.items() if name not in base}
    assert {name: ours.get(name) for name in own} == own, f"{ours} must have {own}"
    assert [name for name in ours if name in own] == list(own), "the order must be Keras'"
    for name in base & set(keras_class):
        # Arguments of the base come by keyword; where Keras' class changes a default, ours does, too.
        made = subject.spec.cls().get_config()[name]
        assert name == "name" or made == keras_class[name], f"{name} defaults to {made}"


def _parameters(cls: Any) -> dict[str, Any]:
    parameters = list(inspect.signature(cls.__init__).parameters.values())[1:]
    return {p.name: p.default for p in parameters if p.kind is not p.VAR_KEYWORD}


@contract(every_variant=True, pointless=_no_keras_class)
def equals_keras(subject: Subject) -> None:
    """Keras' class of that name takes the same steps from the same arguments."""
    start, micro_steps = start_values(), gradients()
    options = {"learning_rate": subject.spec.learning_rate, **subject.options}
    expected = run(subject.spec.keras_class(**options), start, micro_steps).trajectory
    # Keras computes 1 - beta_2**t in float32: for beta_2 = 0.999 that is off by 3e-5 in the first step.
    assert_follows(run(subject.make(), start, micro_steps).trajectory, expected, start, 1e-5)


@contract()
def the_order_of_variables_is_irrelevant(subject: Subject) -> None:
    """Variables in reverse take the same steps, to the bit."""
    start, micro_steps = start_values(), gradients()
    forward = run(subject.make(), start, micro_steps)
    backward = run(subject.make(), start[::-1], [step[::-1] for step in micro_steps])
    assert_same(read(backward.variables)[::-1], read(forward.variables), "variables in reverse order")


@contract(pointless=lambda subject: "" if subject.make().elementwise else "the rule takes norms of variables")
def splitting_variables_is_irrelevant(subject: Subject) -> None:
    """A matrix takes the same steps whole and as two halves.

    Not to the bit: vectorized kernels compute the last elements of a tensor by other instructions.
    """
    start, micro_steps = start_values([(6, 5)]), gradients(shapes=[(6, 5)])
    whole = run(subject.make(), start, micro_steps).trajectory
    halves = run(subject.make(), [start[0][:3], start[0][3:]], [[g[:3], g[3:]] for (g,) in micro_steps]).trajectory
    assert_follows([[np.concatenate(step)] for step in halves], whole, start, 2 * TO_ORACLE)


@contract()
def takes_a_part_of_its_variables(subject: Subject) -> None:
    """One call may bring some of the variables, in any order; the others stay."""
    start, micro_steps = start_values(), gradients()
    variables, optimizer = make_variables(start), subject.make()
    optimizer.build(variables)
    order = [2, 0]
    run_on(optimizer, [variables[i] for i in order], micro_steps_of(micro_steps, order))
    expected = subject.twin().start([start[i] for i in order]).run(micro_steps_of(micro_steps, order))[-1]
    values = read(variables)
    assert_follows([[values[i] for i in order]], [expected], [start[i] for i in order])
    assert_same([values[1], values[3]], read([start[1], start[3]]), "a variable that was not passed")


def micro_steps_of(micro_steps: list[list[Any]], order: list[int]) -> list[list[Any]]:
    """Return the gradients of some variables only."""
    return [[step[i] for i in order] for step in micro_steps]
