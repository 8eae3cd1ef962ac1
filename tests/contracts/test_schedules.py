"""Every contract on every schedule."""

import re
from collections.abc import Callable
from typing import Any

import keras
import pytest

from keras_neural_opt import schedules
from tests.contracts.schedule_contracts import (
    CONTRACTS,
    CONTRACTS_OF_A_CLASS,
    SPECS,
    SUBJECTS,
    ScheduleSpec,
    ScheduleSubject,
)


@pytest.mark.parametrize("contract", CONTRACTS_OF_A_CLASS, ids=lambda contract: contract.__name__)
@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.cls.__name__)
def test_every_class_keeps_the_contract(contract: Callable[[ScheduleSubject], None], spec: ScheduleSpec):
    contract(ScheduleSubject(spec, spec.variants[0]))


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda contract: contract.__name__)
@pytest.mark.parametrize("subject", SUBJECTS, ids=str)
def test_keeps_the_contract(contract: Callable[[ScheduleSubject], None], subject: ScheduleSubject):
    contract(subject)


def test_every_schedule_has_a_row():
    base = keras.optimizers.schedules.LearningRateSchedule
    public = [getattr(schedules, name) for name in schedules.__all__]
    classes = [c for c in public if isinstance(c, type) and issubclass(c, base)]
    assert {spec.cls for spec in SPECS} | {schedules.Schedule} == set(classes)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: schedules.OneCycle(0.1, 10, pct_start=0.6, three_phase=True),
            "OneCycle.pct_start must be a number in (0, 0.5] with three_phase; received 0.6",
        ),
        (
            lambda: schedules.Warmup(0.1, 10, kind="exponential"),
            "Warmup.initial_factor must be a number in (0, 1]; received 0.0",
        ),
        (
            lambda: schedules.Join([0.1, 0.2], [3, 5]),
            "Join.boundaries must be one fewer than schedules; received 2 for 2 schedules",
        ),
        (
            lambda: schedules.LinearDecay(0.1, 10, decay_step=5),
            "LinearDecay.decay_step must be an argument of LinearDecay; received 5; did you mean decay_steps?",
        ),
        (
            lambda: schedules.LinearDecay(0.1, 0, unit="epoch"),
            "LinearDecay.decay_steps must be a number > 0; received 0",
        ),
        (
            lambda: schedules.Warmup(0.1, -0.5, unit="epoch"),
            "Warmup.warmup_steps must be a number >= 0; received -0.5",
        ),
        (
            lambda: schedules.MultiStepDecay(0.1, [1.5, 1.5], unit="epoch"),
            "MultiStepDecay.milestones must be a list of increasing numbers > 0; received [1.5, 1.5]",
        ),
        (
            lambda: schedules.LinearDecay(0.1, 10).in_steps(0),
            "LinearDecay.steps_per_epoch must be a number > 0; received 0",
        ),
        (
            lambda: schedules.LinearDecay(0.1, 10, unit="epoch").in_steps(2**30),
            f"LinearDecay.decay_steps must be an integer from 1 to {2**30 - 1}; received {10 * 2**30}",
        ),
        (lambda: schedules.LinearDecay(0.1, 10).plot(1), "schedule_figure.steps must be an integer >= 2; received 1"),
    ],
)
def test_what_does_not_fit_together_is_refused(make: Callable[[], Any], message: str):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        make()


def test_times_a_number_or_a_schedule():
    line = schedules.LinearDecay(0.5, 10)
    assert [(3 * line)(step) for step in (0, 5)] == [1.5, 0.75]
    assert (line * line)(5) == 0.0625
    with pytest.raises(TypeError):
        line * "2"


def test_all_parts_learn_the_length_of_an_epoch():
    line = schedules.LinearDecay(0.5, 1.5, unit="epoch")
    for whole in (line * 2, schedules.Join([line, 0.1], [40]), schedules.Warmup(line * 2, 0, unit="auto")):
        assert whole.counts_epochs
        with pytest.raises(RuntimeError, match=re.escape("LinearDecay.unit is 'epoch'")):
            whole(0)
        told, start = whole.in_steps(20), whole.in_steps(10)(0)
        assert not told.counts_epochs
        assert told(15) == start / 2
    assert not schedules.Join([schedules.LinearDecay(0.5, 3), 0.1], [40]).counts_epochs


def test_a_picture_shows_the_rates():
    figure = schedules.Warmup(schedules.LinearDecay(0.5, 10), 5, name="mine").plot(20)
    (line,) = figure.axes[0].lines
    assert line.get_label() == figure.axes[0].get_title() == "mine"
    assert list(line.get_xdata()) == list(range(20))
    assert line.get_ydata()[5] == max(line.get_ydata()) == 0.5
    several = schedules.schedule_figure({"a": schedules.Constant(0.1), "b": schedules.StepDecay(0.1, 10)}, 10**6)
    assert [text.get_text() for text in several.legends[0].get_texts()] == ["a", "b"]
    assert max(several.axes[0].lines[0].get_xdata()) == 10**6 - 1
    assert several.axes[0].get_ylim()[0] <= 0
    assert schedules.OneCycleMomentum(20).plot(20).axes[0].get_ylim()[0] > 0.8


def test_counts_in_one_step_are_pushed_apart():
    told = schedules.MultiStepDecay(0.1, [0.1, 0.2, 0.3, 2], unit="epoch").in_steps(2)
    assert told.milestones == [1, 2, 3, 4]


def test_a_scale_without_bounds_leaves_the_bottom_alone():
    schedule = schedules.Cyclical(0.1, 0.2, 50, mode="exp_range", gamma=1.5)
    for step in (10_000, keras.ops.convert_to_tensor(10_000, "int32")):
        assert float(schedule(step)) == pytest.approx(0.1)
