"""The commands of a hyperparameter search."""

from pathlib import Path

import numpy as np
import optuna
import pytest

from keras_neural_opt.cli import main
from keras_neural_opt.hpo._journal import open_storage

SCRIPT = """
import keras
import beside
def build(hp):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(hp.Float("rate", 1e-3, 1e-1, sampling="log")), "mse")
    return model
number = 1
def interrupted(hp):
    raise KeyboardInterrupt
"""


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A script, and the data that it learns."""
    monkeypatch.setattr("sys.path", [*__import__("sys").path])
    (tmp_path / "beside.py").write_text("")
    (tmp_path / "model.py").write_text(SCRIPT)
    x = np.linspace(-1.0, 1.0, 32).reshape(-1, 2).astype("float32")
    y = x.sum(axis=1)
    np.savez(tmp_path / "data.npz", x_train=x, y_train=y, x_val=x, y_val=y)
    np.savez(tmp_path / "half.npz", x_train=x, y_train=y)
    return tmp_path / "model.py"


def arguments(script: Path, name: str = "build") -> list[str]:
    return [f"{script}:{name}", "--data", str(script.parent / "data.npz"), "--directory", str(script.parent)]


def study_of(script: Path) -> optuna.Study:
    return optuna.load_study(study_name="search", storage=open_storage(script.parent / "search" / "study.journal"))


def test_tune_searches_continues_and_is_joined(script: Path, capsys: pytest.CaptureFixture[str]) -> None:
    common = [*arguments(script), "--method", "random", "--epochs", "2", "--seed", "1"]
    assert main(["tune", *common, "--trials", "2"]) == 0
    first = study_of(script).trials
    assert len(first) == 2
    assert len(first[0].intermediate_values) == 2
    assert main(["tune", *common, "--trials", "3"]) == 0
    printed = capsys.readouterr().out
    assert "the best of 3 trials" in printed
    assert "rate=" in printed
    assert [t.params for t in study_of(script).trials[:2]] == [t.params for t in first]
    # A worker takes from the study how long it trains, and what is measured; from here the code.
    storage = ["--storage", str(script.parent / "search" / "study.journal"), "--study", "search"]
    assert main(["worker", *arguments(script), *storage, "--trials", "4"]) == 0
    trials = study_of(script).trials
    assert len(trials) == 4
    assert len(trials[3].intermediate_values) == 2
    assert main(["worker", *arguments(script), *storage]) == 0
    assert len(study_of(script).trials) == 4


@pytest.mark.parametrize("method", ["asha", "hyperband", "bohb"])
def test_methods_that_pause_trials_know_how_long_a_training_is(method: str, script: Path) -> None:
    assert main(["tune", *arguments(script), "--method", method, "--epochs", "3", "--trials", "3", "--seed", "1"]) == 0
    lengths = [t.last_step for t in study_of(script).trials]
    assert 2 in lengths
    assert 0 in lengths


def test_ctrl_c_says_how_to_go_on(script: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tune", *arguments(script, "interrupted"), "--trials", "2"]) == 130
    assert "stopped: the same command goes on where it was" in capsys.readouterr().err
    assert [t.state.name for t in study_of(script).trials] == ["FAIL", "WAITING"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (["nothing.py:build"], "SCRIPT:NAME must be a Python file and a name in it"),
        (["{script}"], "SCRIPT:NAME must be a Python file and a name in it"),
        (["{script}:bild"], "must have a function of hyperparameters or a keras_tuner.HyperModel called 'bild'"),
        (["{script}:number"], "called 'number'; received 1"),
        (["{script}:build", "--data", "{half}"], "must have the arrays x_train, y_train, x_val, y_val; it lacks x_val"),
        (["{script}:build", "--data", "faces"], "--data must be digits or the path of an .npz file; received 'faces'"),
        (["{script}:build", "--method", "rnd"], "--method must be one of auto, bayesian"),
        (["{script}:build", "--trials", "0"], "OptunaOracle.max_trials must be None or an integer >= 1; received 0"),
        (["{script}:build", "--workers", "0"], "OptunaTuner.search.workers must be None or an integer >= 1"),
    ],
)
def test_tune_says_what_is_wrong(
    change: list[str], message: str, script: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [word.format(script=script, half=script.parent / "half.npz") for word in change]
    assert main(["tune", *given, "--directory", str(script.parent)]) == 1
    assert message in capsys.readouterr().err


def test_a_worker_of_no_study_says_so(script: Path, capsys: pytest.CaptureFixture[str]) -> None:
    storage = ["--storage", str(script.parent / "journal"), "--study", "nothing"]
    assert main(["worker", *arguments(script), *storage]) == 1
    assert "--study must be one in" in capsys.readouterr().err
