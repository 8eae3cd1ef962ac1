"""T1 of what is wrong in KerasTuner 1.4.8, which shows on TensorFlow alone."""

import importlib.util
from pathlib import Path

import pytest

from tests.conftest import BACKEND
from tests.hpo.small import build
from tests.hpo.test_keras_tuner_defects import Maker, both, random_search, search

pytestmark = pytest.mark.filterwarnings("ignore")

NO_TENSORBOARD = BACKEND == "tensorflow" and importlib.util.find_spec("tensorboard") is None


@both(random_search, "T1: trials on TensorFlow need tensorboard", NO_TENSORBOARD)
def test_t1_trials_need_no_tensorboard(make: Maker, tmp_path: Path) -> None:
    tuner = search(make(build, "val_loss", 1, directory=tmp_path))
    assert [t.status for t in tuner.oracle.trials.values()] == ["COMPLETED"]
