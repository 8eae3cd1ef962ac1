"""Contracts on schedules, and the table of schedules. A class without a row fails the suite."""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import pytest

from keras_neural_opt import schedules
from keras_neural_opt.optimizers import SGD
from tests.contracts.arguments_table import (
    CLOSED_FRACTION,
    FLAG,
    FRACTION,
    NONNEGATIVE,
    POSITIVE,
    TEXT,
    Kind,
    choice,
    integer,
)
from tests.contracts.contract import refusal
from tests.contracts.documentation import assert_documented
from tests.contracts.problem import assert_follows, gradients, start_values
from tests.contracts.running import BACKEND, COMPILED, WAYS, as_compiled, run
from tests.oracles import schedules as oracles
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
        return ",".join([self.spec.cls.__name__, *(f"{k}={_short(v)}" for k, v in self.options.items())])

    def make(self) -> Any:
        return self.spec.cls(**self.options)

    def twin(self) -> Twin:
        nested = getattr(self.spec.cls, "nested", ())
        return self.spec.twin(**{k: twin_of(v) if k in nested else v for k, v in self.options.items()})

    def top(self) -> float:
        """Return the largest rate."""
        return max(map(self.twin(), (*SMALL_STEPS, *LARGE_STEPS)))

    def holds_native(self) -> bool:
        """Whether a part is of Keras' own classes."""
        return _NATIVE in [
            each for value in self.options.values() for each in (value if isinstance(value, list) else [value])
        ]


def twin_of(value: Any) -> Any:
    """Return the twin of what a schedule holds: another schedule, a list, a number or a function."""
    if isinstance(value, list):
        return [twin_of(each) for each in value]
    if isinstance(value, (int, float)):
        return lambda step: value
    if isinstance(value, keras.optimizers.schedules.InverseTimeDecay):
        held = value.get_config()
        return lambda step: held["initial_learning_rate"] / (1 + held["decay_rate"] * step / held["decay_steps"])
    if not isinstance(value, schedules.Schedule):
        return value
    spec = next(spec for spec in SPECS if spec.cls is type(value))
    own = {k: v for k, v in value.hyperparameters().items() if k not in COMMON}
    return ScheduleSubject(spec, own).twin()


def _short(value: Any) -> str:
    if isinstance(value, list):
        return f"[{','.join(map(_short, value))}]"
    return getattr(value, "__name__", type(value).__name__) if hasattr(value, "__call__") else str(value)  # noqa: B004


@keras.saving.register_keras_serializable("tests")
def third(cycle: Any) -> Any:
    """A scale function: works on numbers and on tensors."""
    return 1.0 / (1.0 + 0.5 * cycle)


def _counts(minimum: int) -> Kind:
    bad = (minimum - 1, -1, 0.5, 1.0, None, "1", True, [1], math.nan, 2**30, 2**40)
    return Kind(f"an integer from {minimum} to {2**30 - 1}", (minimum, 7, np.int32(7)), bad)


COUNT, COUNT_OR_NONE_YET = _counts(1), _counts(0)
INCREASING = Kind(
    "a list of increasing integers >= 1", ([3], (np.int64(2),)),
    ([], None, 3, [0], [-1, 2], [3, 3], [8, 3], [1.5], ["3"], [True], "3", {3: 1}, [2**40]),
)  # fmt: skip
_NATIVE = keras.optimizers.schedules.InverseTimeDecay(0.2, 5, 0.5)
_NO_SCHEDULES = (None, -0.1, math.nan, math.inf, "cosine", True, schedules.LinearDecay, third, {})
SCHEDULE = Kind(
    "a LearningRateSchedule or a number >= 0", (0.1, 0, schedules.LinearDecay(0.1, 5), _NATIVE), (*_NO_SCHEDULES, [0.1])
)
SCHEDULES = Kind(
    "a list of LearningRateSchedules or numbers >= 0", ([0.1, schedules.LinearDecay(0.1, 5)], (_NATIVE, 0)),
    ([], 0.1, *([value, 0.1] for value in _NO_SCHEDULES)),
)  # fmt: skip
GROWTH = Kind(
    "1 or a number >= 1.01", (1, 1.0, 1.01, 2, np.float32(1.5)), (0.5, 1.001, 0, -1, None, "2", True, math.inf)
)
POSITIVE_FRACTION = Kind("a number in (0, 1]", (0.3, 1, np.float64(0.5)), (0, 1.1, -0.3, None, "0.3", True, math.nan))
FUNCTION = Kind("None or a function of a number", (None, third), (1, "third", int, [third], math.nan))
COMMON = {"unit": choice("step", "epoch", "auto"), "name": TEXT.optional}

RATE = {"initial_learning_rate": 0.3}
COSINE = {**RATE, "decay_steps": 7}
LONG = 2**30 - 1
SPECS = (
    ScheduleSpec(schedules.Constant, oracles.constant, ({"learning_rate": 0.3},), {"learning_rate": NONNEGATIVE}),
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
            {"initial_learning_rate": 0.3, "decay_steps": LONG, "minimum_learning_rate": 1e-6},
        ),
        {
            "initial_learning_rate": NONNEGATIVE,
            "decay_steps": COUNT,
            "minimum_learning_rate": NONNEGATIVE,
            "start_step": Kind("an integer >= 0", (0, 7, np.int32(7), 2**40), (-1, 0.5, 1.0, None, "1", True, [0])),
            "after": choice("hold", "mirror"),
        },
    ),
    ScheduleSpec(
        schedules.CosineAnnealingWarmRestarts,
        oracles.cosine_annealing_warm_restarts,
        (
            {**RATE, "first_decay_steps": 7},
            {**RATE, "first_decay_steps": 5, "m_mul": 0.7, "minimum_learning_rate": 0.02},
            {**RATE, "first_decay_steps": 3, "t_mul": 2, "minimum_learning_rate": 0.02},
            {**RATE, "first_decay_steps": 1, "t_mul": 1.3, "m_mul": 0.9},
            {**RATE, "first_decay_steps": LONG, "t_mul": 1.01},
        ),
        {
            "initial_learning_rate": NONNEGATIVE,
            "first_decay_steps": COUNT,
            "t_mul": GROWTH,
            "m_mul": POSITIVE,
            "minimum_learning_rate": NONNEGATIVE,
        },
    ),
    ScheduleSpec(
        schedules.CurriculumDropout,
        oracles.curriculum_dropout,
        (
            {"rate": 0.3, "total_steps": 30},
            {"rate": 0.9, "total_steps": 11, "steepness": 1.0},
            {"rate": 0.3, "total_steps": LONG},
        ),
        {"rate": FRACTION, "total_steps": COUNT, "steepness": POSITIVE},
    ),
    ScheduleSpec(
        schedules.Cyclical,
        oracles.cyclical,
        (
            {**RATE, "maximum_learning_rate": 0.9, "step_size_up": 5},
            {**RATE, "maximum_learning_rate": 0.9, "step_size_up": 3, "step_size_down": 8, "mode": "triangular2"},
            {**RATE, "maximum_learning_rate": 0.9, "step_size_up": 4, "mode": "exp_range", "gamma": 0.95},
            {**RATE, "maximum_learning_rate": 0.0, "step_size_up": 4, "scale_function": third},
            {
                **RATE,
                "maximum_learning_rate": 0.9,
                "step_size_up": 4,
                "scale_function": third,
                "scale_mode": "iterations",
            },
            {**RATE, "maximum_learning_rate": 0.9, "step_size_up": LONG},
        ),
        {
            "initial_learning_rate": NONNEGATIVE,
            "maximum_learning_rate": NONNEGATIVE,
            "step_size_up": COUNT,
            "step_size_down": COUNT.optional,
            "mode": choice("triangular", "triangular2", "exp_range"),
            "gamma": POSITIVE,
            "scale_function": Kind(
                "None or a function of a number", (None, third), (1, "third", int, [third], math.nan)
            ),
            "scale_mode": choice("cycle", "iterations"),
        },
    ),
    ScheduleSpec(
        schedules.EarlyDropout,
        oracles.early_dropout,
        (
            {"rate": 0.3, "cutoff_steps": 7},
            {"rate": 0.3, "cutoff_steps": 7, "curve": "linear"},
            {"rate": 0.3, "cutoff_steps": LONG},
            {"rate": 0.3, "cutoff_steps": LONG, "curve": "linear"},
        ),
        {"rate": FRACTION, "cutoff_steps": COUNT, "curve": choice("constant", "linear")},
    ),
    ScheduleSpec(
        schedules.ExponentialDecay,
        oracles.exponential_decay,
        (
            {**COSINE, "decay_rate": 0.5},
            {**COSINE, "decay_rate": 0.5, "staircase": True},
            {**RATE, "decay_steps": LONG, "decay_rate": 0.9},
        ),
        {"initial_learning_rate": NONNEGATIVE, "decay_steps": COUNT, "decay_rate": POSITIVE, "staircase": FLAG},
    ),
    ScheduleSpec(
        schedules.InverseSquareRoot,
        oracles.inverse_square_root,
        ({**RATE, "timescale": 7}, {**RATE, "timescale": LONG}),
        {"initial_learning_rate": NONNEGATIVE, "timescale": COUNT},
    ),
    ScheduleSpec(
        schedules.Join,
        oracles.join,
        (
            {"schedules": [schedules.ExponentialDecay(0.3, 9, 0.5), 0.1], "boundaries": [LONG]},
            {"schedules": [schedules.LinearDecay(0.1, 5, 0.3), _NATIVE, 0.05], "boundaries": [6, 17]},
        ),
        {"schedules": SCHEDULES, "boundaries": INCREASING},
    ),
    ScheduleSpec(
        schedules.LateDropout,
        oracles.late_dropout,
        ({"rate": 0.3, "start_steps": 7}, {"rate": 0.3, "start_steps": LONG}),
        {"rate": FRACTION, "start_steps": COUNT},
    ),
    ScheduleSpec(
        schedules.LinearDecay,
        oracles.linear_decay,
        (COSINE, {**COSINE, "end_learning_rate": 0.9}, {**RATE, "decay_steps": LONG, "end_learning_rate": 0.02}),
        {"initial_learning_rate": NONNEGATIVE, "decay_steps": COUNT, "end_learning_rate": NONNEGATIVE},
    ),
    ScheduleSpec(
        schedules.MultiStepDecay,
        oracles.multi_step_decay,
        (
            {**RATE, "milestones": [5]},
            {**RATE, "milestones": [1, 9, 10, 2**24, 2**30 - 2], "decay_rate": 0.5},
        ),
        {"initial_learning_rate": NONNEGATIVE, "milestones": INCREASING, "decay_rate": POSITIVE},
    ),
    ScheduleSpec(
        schedules.Noam,
        oracles.noam,
        ({"model_size": 64, "warmup_steps": 7}, {"model_size": 512, "warmup_steps": LONG, "scale": 3.0}),
        {"model_size": integer(1), "warmup_steps": COUNT, "scale": POSITIVE},
    ),
    ScheduleSpec(
        schedules.OneCycle,
        oracles.one_cycle,
        (
            {"maximum_learning_rate": 0.3, "total_steps": 30},
            {
                "maximum_learning_rate": 0.3,
                "total_steps": 21,
                "pct_start": 0.25,
                "anneal_strategy": "linear",
                "three_phase": True,
                "div_factor": 10.0,
                "final_div_factor": 100.0,
            },
            {"maximum_learning_rate": 0.3, "total_steps": 30, "pct_start": 1.0},
            {"maximum_learning_rate": 0.3, "total_steps": 30, "pct_start": 0.01},
            {"maximum_learning_rate": 0.3, "total_steps": 1},
            {"maximum_learning_rate": 0.3, "total_steps": LONG},
        ),
        {
            "maximum_learning_rate": NONNEGATIVE,
            "total_steps": COUNT,
            "pct_start": POSITIVE_FRACTION,
            "anneal_strategy": choice("cos", "linear"),
            "div_factor": POSITIVE,
            "final_div_factor": POSITIVE,
            "three_phase": FLAG,
        },
    ),
    ScheduleSpec(
        schedules.OneCycleMomentum,
        oracles.one_cycle_momentum,
        ({"total_steps": 30}, {"total_steps": 31, "base_momentum": 0.5, "pct_start": 0.4, "three_phase": True}),
        {
            "total_steps": COUNT,
            "base_momentum": FRACTION,
            "maximum_momentum": FRACTION,
            "pct_start": POSITIVE_FRACTION,
            "anneal_strategy": choice("cos", "linear"),
            "three_phase": FLAG,
        },
    ),
    ScheduleSpec(
        schedules.PolynomialDecay,
        oracles.polynomial_decay,
        (
            {**COSINE, "power": 2.0},
            {**COSINE, "power": 0.5, "end_learning_rate": 0.02, "cycle": True},
            {**RATE, "decay_steps": LONG, "power": 0.9},
            {**RATE, "decay_steps": LONG, "cycle": True},
        ),
        {
            "initial_learning_rate": NONNEGATIVE,
            "decay_steps": COUNT,
            "end_learning_rate": NONNEGATIVE,
            "power": POSITIVE,
            "cycle": FLAG,
        },
    ),
    ScheduleSpec(
        schedules.Product,
        oracles.product,
        ({"schedules": [schedules.Cyclical(0.1, 0.5, 5), schedules.ExponentialDecay(1.0, 20, 0.5), 2.0]},),
        {"schedules": SCHEDULES},
    ),
    ScheduleSpec(
        schedules.ReduceOnPlateau,
        oracles.unobserved,
        ({"schedule": schedules.CosineAnnealing(0.3, 9)}, {"schedule": _NATIVE, "patience": 3}),
        {
            "schedule": SCHEDULE,
            "factor": POSITIVE_FRACTION,
            "patience": integer(1),
            "min_delta": NONNEGATIVE,
            "threshold_mode": choice("abs", "rel"),
            "cooldown": Kind("an integer >= 0", (0, 7, np.int64(3)), (-1, 0.5, 1.0, None, "1", True, [0], math.nan)),
            "min_lr": NONNEGATIVE,
            "monitor": TEXT,
            "mode": choice("auto", "min", "max"),
            "every_steps": integer(1).optional,
        },
    ),
    ScheduleSpec(
        schedules.Scaled,
        oracles.scaled,
        ({"schedule": schedules.CosineAnnealing(0.3, 9), "factor": 0.5}, {"schedule": _NATIVE, "factor": 2.0}),
        {"schedule": SCHEDULE, "factor": NONNEGATIVE},
    ),
    ScheduleSpec(
        schedules.StepDecay,
        oracles.step_decay,
        (COSINE, {**COSINE, "decay_rate": 0.5}, {**RATE, "decay_steps": LONG}),
        {"initial_learning_rate": NONNEGATIVE, "decay_steps": COUNT, "decay_rate": POSITIVE},
    ),
    ScheduleSpec(
        schedules.Warmup,
        oracles.warmup,
        (
            {"schedule": schedules.CosineAnnealing(0.3, 9), "warmup_steps": 5, "initial_factor": 0.1},
            {"schedule": schedules.CosineAnnealing(0.3, 9), "warmup_steps": 5},
            {"schedule": _NATIVE, "warmup_steps": 5, "kind": "cosine", "initial_factor": 0.1},
            {"schedule": 0.3, "warmup_steps": 8, "kind": "exponential", "initial_factor": 0.01},
            {"schedule": 0.3, "warmup_steps": 3, "kind": "constant", "initial_factor": 0.3},
            {"schedule": schedules.LinearDecay(0.3, 9), "warmup_steps": 0},
            {"schedule": 0.3, "warmup_steps": LONG},
        ),
        {
            "schedule": SCHEDULE,
            "warmup_steps": COUNT_OR_NONE_YET,
            "kind": choice("linear", "cosine", "exponential", "constant"),
            "initial_factor": CLOSED_FRACTION,
        },
    ),
    ScheduleSpec(
        schedules.WarmupStableDecay,
        oracles.warmup_stable_decay,
        (
            {"peak_learning_rate": 0.3, "warmup_steps": 5, "stable_steps": 9, "decay_steps": 11},
            {
                "peak_learning_rate": 0.3,
                "warmup_steps": 0,
                "stable_steps": 9,
                "decay_steps": 11,
                "decay": "cosine",
                "end_learning_rate": 0.02,
            },
            {"peak_learning_rate": 0.3, "warmup_steps": 5, "stable_steps": 0, "decay_steps": 11, "decay": "1-sqrt"},
            {
                "peak_learning_rate": 0.3,
                "warmup_steps": LONG,
                "stable_steps": LONG,
                "decay_steps": LONG,
                "decay": "1-sqrt",
            },
        ),
        {
            "peak_learning_rate": NONNEGATIVE,
            "warmup_steps": COUNT_OR_NONE_YET,
            "stable_steps": COUNT_OR_NONE_YET,
            "decay_steps": COUNT_OR_NONE_YET,
            "end_learning_rate": NONNEGATIVE,
            "decay": choice("linear", "cosine", "1-sqrt"),
        },
    ),
)
SUBJECTS = tuple(ScheduleSubject(spec, options) for spec in SPECS for options in spec.variants)

SMALL_STEPS = tuple(range(40))
LARGE_STEPS = (2**24 - 1, 2**24 + 1, 322_122_546, 10**9 + 7, 2**30 - 3, 2**30 + 1, 2**31 - 2, 2**31 - 1)


def follows_its_twin_on_python_ints(subject: ScheduleSubject) -> None:
    """In float64, to 2**40 and beyond, for int and NumPy steps."""
    schedule, twin = subject.make(), subject.twin()
    top = subject.top()
    # Both compute an angle of up to 2 pi and a function of it, each rounded a few times; Keras' own only in float32.
    tolerance = 2 * np.spacing(np.float32(top)) if subject.holds_native() else 16 * math.ulp(top)
    for step in (*SMALL_STEPS, *LARGE_STEPS, 2**31, 2**40 - 1, 2**40):
        value = schedule(step)
        assert isinstance(value, float)
        assert abs(value - twin(step)) <= tolerance, f"at step {step}: {value}, must be {twin(step)}"
    assert schedule(np.int64(5)) == schedule(5)


def follows_its_twin_on_tensors(subject: ScheduleSubject) -> None:
    """Within 2 ulp of float32 for int32 tensors and variables, up to the last one."""
    schedule, twin, top = subject.make(), subject.twin(), np.float32(subject.top())
    variable = keras.Variable(0, dtype="int32", trainable=False)
    for step in (*SMALL_STEPS, *LARGE_STEPS):
        variable.assign(step)
        for given in (keras.ops.convert_to_tensor(step, "int32"), variable):
            value = schedule(given)
            assert keras.backend.standardize_dtype(value.dtype) == "float32"
            _assert_near(value, twin, step, top)
    for step in (2**31, 2**40) if BACKEND != "jax" else ():
        _assert_near(schedule(keras.ops.convert_to_tensor(step, "int64")), twin, step, top)


def is_the_same_compiled(subject: ScheduleSubject) -> None:
    """As a graph and by XLA, at small steps and large ones, with one trace."""
    schedule, twin, top = subject.make(), subject.twin(), np.float32(subject.top())
    for way in COMPILED:
        traced = _Traced(schedule)
        compiled = as_compiled(traced.rate, way)
        for step in (*SMALL_STEPS, *LARGE_STEPS):
            _assert_near(compiled(keras.ops.convert_to_tensor(step, "int32")), twin, step, top)
        assert traced.traces == 1


class _Traced:
    def __init__(self, schedule: Any) -> None:
        self.schedule, self.traces = schedule, 0

    def rate(self, step: Any) -> Any:
        self.traces += 1
        return self.schedule(step)


def _assert_near(value: Any, twin: Twin, step: int, top: np.float32) -> None:
    error = abs(float(value) - twin(step))
    assert error <= 2 * np.spacing(top), f"at step {step}: {float(value)}, must be {twin(step)}"


def drives_an_optimizer_in_every_way(subject: ScheduleSubject) -> None:
    """As a learning rate, eager and compiled, it counts effective steps from 0."""
    if max(map(subject.twin(), SMALL_STEPS)) < 0.02:
        pytest.skip("it would hardly move anything in so few steps")
    start, micro_steps = start_values(), gradients(20)
    expected = Loop(sgd.SGD(), subject.twin()).start(start).run(micro_steps)
    for way in WAYS:
        result = run(SGD(subject.make()), start, micro_steps, way)
        assert_follows(result.trajectory, expected, start)
        assert result.traces == (way != "eager")


def counts_epochs_when_told(subject: ScheduleSubject) -> None:
    """Written in epochs, it refuses to guess their length; told it, it is the same in steps."""
    schedule = subject.make()
    if not schedule.counts:
        assert schedule.in_steps(4).get_config() == schedule.get_config()
        return
    counts = {name: subject.options[name] for name in schedule.counts if subject.options.get(name) is not None}
    epochs = {name: _quarter(count) for name, count in counts.items()}
    written = subject.spec.cls(**{**subject.options, **epochs, "unit": "epoch"})
    message = refusal(RuntimeError, lambda: written(0))
    assert message.startswith(f"{subject.spec.cls.__name__}.unit is 'epoch'")
    assert written.counts_epochs
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(written))
    for counting in (written.in_steps(4), again.in_steps(4.0)):
        assert counting.get_config() == schedule.get_config()


def _quarter(count: Any) -> Any:
    return [each / 4 for each in count] if isinstance(count, list) else count / 4


def makes_itself_again_from_its_config(subject: ScheduleSubject) -> None:
    """Alone and inside an optimizer, through JSON."""
    schedule = subject.make()
    assert set(schedule.get_config()) == {*subject.spec.arguments, *COMMON}
    for name, value in subject.options.items():
        assert getattr(schedule, name) == value
        if name not in schedule.nested:
            assert schedule.get_config()[name] == value
    for holder in (schedule, SGD(schedule)):
        data = json.loads(json.dumps(keras.saving.serialize_keras_object(holder)))
        again = keras.saving.deserialize_keras_object(data)
        assert type(again) is type(holder)
        assert again.get_config() == holder.get_config()
    rates = [schedule(step) for step in SMALL_STEPS]
    assert [type(schedule).from_config(schedule.get_config())(step) for step in SMALL_STEPS] == rates


def refuses_bad_arguments(subject: ScheduleSubject) -> None:
    """Every bad value is refused in the library's one wording; good ones are taken."""
    cls = subject.spec.cls
    for argument, kind in {**subject.spec.arguments, **COMMON}.items():
        for bad in kind.bad:
            message = refusal(ValueError, lambda a=argument, b=bad: cls(**{**subject.options, a: b}))
            assert message == f"{cls.__name__}.{argument} must be {kind.rule}; received {bad!r}"
        for good in kind.good:
            made = cls(**{**subject.options, argument: good})
            value = getattr(made, argument)
            assert value == (list(good) if isinstance(good, tuple) else good)
            assert json.dumps(made.get_config())


def is_documented(subject: ScheduleSubject) -> None:
    """The docstring has every part."""
    assert_documented(subject.spec.cls, state_per_parameter=False)


CONTRACTS = (
    follows_its_twin_on_python_ints,
    follows_its_twin_on_tensors,
    is_the_same_compiled,
    counts_epochs_when_told,
    drives_an_optimizer_in_every_way,
    makes_itself_again_from_its_config,
)
# Which variant it is makes no difference to these.
CONTRACTS_OF_A_CLASS = (refuses_bad_arguments, is_documented)
