import json
from pathlib import Path

import keras_tuner as kt
import pytest

from keras_neural_opt import CorruptStateError
from keras_neural_opt.hpo import HardenedTuner
from tests.hpo import test_keras_tuner_defects as defects
from tests.hpo import test_no_tensorboard
from tests.hpo.small import DATA, Plain, build

pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.backend_free]


class Hardened(HardenedTuner, kt.RandomSearch):
    pass


def make(hypermodel: object, objective: str, max_trials: int, seed: int = 1, **options: object) -> Hardened:
    return Hardened(hypermodel, objective, max_trials, seed, project_name=options.pop("project_name", "p"), **options)


def test_it_mends_what_has_nothing_to_do_with_sampling(tmp_path: Path) -> None:
    for number, test in enumerate(
        (
            test_no_tensorboard.test_t1_trials_need_no_tensorboard,
            defects.test_t8_no_trials_are_refused,
            defects.test_t8_nothing_outside_the_directory_is_deleted,
            defects.test_t8_a_second_search_in_one_directory_is_refused,
            defects.test_t8_an_error_leaves_the_oracle_usable,
        )
    ):
        folder = tmp_path / str(number)
        folder.mkdir()
        test(make, folder)


def test_no_file_is_ever_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tuner = make(Plain(lambda hp: hp.Float("x", 0, 1)), "val_loss", 2, directory=tmp_path)
    written = []
    import keras_neural_opt.hpo._hardened as module

    monkeypatch.setattr(module, "write_atomic", lambda path, text: written.append(Path(path).name))
    tuner.search(*DATA, verbose=0)
    assert {"oracle.json", "trial.json", "tuner0.json"} <= set(written)
    # What `load_model` needs of a model that is built by its data, which no search reads.
    assert {file.name for file in (tmp_path / "p").glob("**/*.json")} <= {"build_config.json"}


@pytest.mark.parametrize("torn", ["oracle.json", "trial_0/trial.json"])
def test_a_damaged_file_is_named(torn: str, tmp_path: Path) -> None:
    hypermodel = Plain(lambda hp: hp.Float("x", 0, 1))
    make(hypermodel, "val_loss", 2, directory=tmp_path).search(*DATA, verbose=0)
    file = tmp_path / "p" / torn
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(CorruptStateError, match=f"{torn}: is no whole file"):
        make(hypermodel, "val_loss", 3, directory=tmp_path)


def test_a_search_goes_on_as_before(tmp_path: Path) -> None:
    hypermodel = Plain(lambda hp: hp.Float("x", 0, 1))
    for most in (2, 3):
        tuner = make(hypermodel, "val_loss", most, directory=tmp_path)
        tuner.search(*DATA, verbose=0)
    assert json.loads((tmp_path / "p" / "oracle.json").read_text())["end_order"] == ["0", "1", "2"]
    assert len(tuner.oracle.trials) == 3


def test_what_is_not_a_search_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "thesis.tex").write_text("years of work")
    with pytest.raises(ValueError, match="is something else, and is left alone"):
        make(build, "val_loss", 1, directory=tmp_path, overwrite=True)
    assert (tmp_path / "p" / "thesis.tex").read_text() == "years of work"
