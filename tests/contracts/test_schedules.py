"""Every contract on every schedule."""

from collections.abc import Callable

import keras
import pytest

from keras_neural_opt import schedules
from tests.contracts.schedule_contracts import CONTRACTS, SPECS, SUBJECTS, ScheduleSubject


@pytest.mark.parametrize("contract", CONTRACTS, ids=lambda contract: contract.__name__)
@pytest.mark.parametrize("subject", SUBJECTS, ids=str)
def test_keeps_the_contract(contract: Callable[[ScheduleSubject], None], subject: ScheduleSubject):
    contract(subject)


def test_every_schedule_has_a_row():
    base = keras.optimizers.schedules.LearningRateSchedule
    public = [getattr(schedules, name) for name in schedules.__all__]
    classes = [c for c in public if isinstance(c, type) and issubclass(c, base)]
    assert {spec.cls for spec in SPECS} == set(classes)
