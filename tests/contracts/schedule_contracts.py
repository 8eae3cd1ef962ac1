"""Contracts on schedules, and the table of schedules. A class without a row fails the suite."""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from keras_neural_opt import schedules
from keras_neural_opt.optimizers import SGD
from tests.contracts.arguments_table import FLAG, NONNEGATIVE, Kind, choice, integer
from tests.contracts.contract import refusal
from tests.contracts.documentation import assert_documented
from tests.contracts.problem import assert_follows, gradients, start_values
from tests.contracts.running import WAYS, run
from tests.oracles import sgd
from tests.oracles.cosine_annealing import CosineAnnealing
from tests.oracles.loop import Loop

Twin = Callable[[int], float]


@dataclass(frozen=True)
class ScheduleSpec:
    """One row of the table: a class, its twin, choices of options, and the kind of each argument."""

    cls: Callable[..., Any]
    twin: Callable[..., Twin]
    variants: tuple[Mapping[str, Any], ...]
    arguments: Mapping[str, Kind]


@dataclass(frozen=True)
class ScheduleSubject:
    """A spec with one of its variants."""

    spec: ScheduleSpec
    options: Mapping[str, Any]

    def __str__(self) -> str:
        return ",".join([self.spec.cls.__name__, *(f"{k}={v}" for k, v in self.options.items())])

    def make(self) -> Any:
        return self.spec.cls(**self.options)

    def twin(self) -> Twin:
        return self.spec.twin(**self.options)


COSINE = {"initial_learning_rate": 0.3, "decay_steps": 7}
SPECS = (
    ScheduleSpec(
        schedules.CosineAnnealing,
        CosineAnnealing,
        (
            COSINE,
            {**COSINE, "minimum_learning_rate": 0.02, "start_step": 3},
            {**COSINE, "minimum_learning_rate": 0.02, "start_step": 3, "after": "mirror"},
            {**COSINE, "start_step": 12, "after": "mirror"},
            {"initial_learning_rate": 0.01, "decay_steps": 7, "minimum_learning_rate": 0.3},
            {"initial_learning_rate": 0.3, "decay_steps": 1_000_003, "start_step": 2**31, "after": "mirror"},
            {"initial_learning_rate": 0.3, "decay_steps": 2**30 - 1, "minimum_learning_rate": 1e-6},
        ),
        {
            "initial_learning_rate": NONNEGATIVE,
            "decay_steps": Kind(f"an integer from 1 to {2**30 - 1}", (1, np.int64(5)), (*integer(1).bad, 2**30, 2**40)),
            "minimum_learning_rate": NONNEGATIVE,
            "start_step": Kind("an integer >= 0", (0, 7, np.int32(7), 2**40), (-1, 0.5, 1.0, None, "1", True, [0])),
            "after": choice("hold", "mirror"),
            "open_unit": FLAG,
        },
    ),
)
SUBJECTS = tuple(ScheduleSubject(spec, options) for spec in SPECS for options in spec.variants)

SMALL_STEPS = tuple(range(40))
LARGE_STEPS = (2**24 - 1, 2**24 + 1, 10**9 + 7, 2**30 - 3, 2**30 + 1, 2**31 - 2, 2**31 - 1)


def follows_its_twin_on_python_ints(subject: ScheduleSubject) -> None:
    """In float64, to 2**40 and beyond, for int and NumPy steps."""
    schedule, twin = subject.make(), subject.twin()
    top = max(twin(step) for step in SMALL_STEPS)
    for step in (*SMALL_STEPS, *LARGE_STEPS, 2**31, 2**40 - 1, 2**40):
        value = schedule(step)
        assert isinstance(value, float)
        # Both compute an angle of up to 2 pi and a function of it, each rounded a few times.
        assert abs(value - twin(step)) <= 16 * math.ulp(top), f"at step {step}: {value}, must be {twin(step)}"
    assert schedule(np.int64(5)) == schedule(5)


def follows_its_twin_on_tensors(subject: ScheduleSubject) -> None:
    """Within 2 ulp of float32 for int32 tensors and variables, up to the last one."""
    schedule, twin = subject.make(), subject.twin()
    top = np.float32(max(twin(step) for step in SMALL_STEPS))
    for step in (*SMALL_STEPS, *LARGE_STEPS):
        for given in (keras.ops.convert_to_tensor(step, "int32"), keras.Variable(step, dtype="int32", trainable=False)):
            value = schedule(given)
            assert keras.backend.standardize_dtype(value.dtype) == "float32"
            error = abs(float(value) - twin(step))
            assert error <= 2 * np.spacing(top), f"at step {step}: {float(value)}, must be {twin(step)}"


def drives_an_optimizer_in_every_way(subject: ScheduleSubject) -> None:
    """As a learning rate, eager and compiled, it counts effective steps from 0."""
    start, micro_steps = start_values(), gradients(20)
    expected = Loop(sgd.SGD(), subject.twin()).start(start).run(micro_steps)
    for way in WAYS:
        result = run(SGD(subject.make()), start, micro_steps, way)
        assert_follows(result.trajectory, expected, start)
        assert result.traces == (way != "eager")


def makes_itself_again_from_its_config(subject: ScheduleSubject) -> None:
    """Alone and inside an optimizer, through JSON."""
    schedule = subject.make()
    assert set(schedule.get_config()) == set(subject.spec.arguments)
    assert schedule.get_config().items() >= subject.options.items()
    for holder in (schedule, SGD(schedule)):
        data = json.loads(json.dumps(keras.saving.serialize_keras_object(holder)))
        again = keras.saving.deserialize_keras_object(data)
        assert type(again) is type(holder)
        assert again.get_config() == holder.get_config()


def refuses_bad_arguments(subject: ScheduleSubject) -> None:
    """Every bad value is refused in the library's one wording; good ones are taken."""
    cls = subject.spec.cls
    for argument, kind in subject.spec.arguments.items():
        for bad in kind.bad:
            message = refusal(ValueError, lambda a=argument, b=bad: cls(**{**subject.options, a: b}))
            assert message == f"{cls.__name__}.{argument} must be {kind.rule}; received {bad!r}"
        for good in kind.good:
            value = cls(**{**subject.options, argument: good}).get_config()[argument]
            assert type(value) in (bool, int, float, str)
            assert value == good


def is_documented(subject: ScheduleSubject) -> None:
    """The docstring has every part."""
    assert_documented(subject.spec.cls, state_per_parameter=False)


CONTRACTS = (
    follows_its_twin_on_python_ints,
    follows_its_twin_on_tensors,
    drives_an_optimizer_in_every_way,
    makes_itself_again_from_its_config,
    refuses_bad_arguments,
    is_documented,
)
