"""The command line: what it prints, writes and refuses."""

import os
import re
import subprocess
import sys
from pathlib import Path

import keras
import pytest

from keras_neural_opt import optimizers
from keras_neural_opt.cli import main

OTHER_BACKEND = next(name for name in ("jax", "torch") if name != keras.backend.backend())


def test_list_names_every_optimizer(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("COLUMNS", "120")
    assert main(["list"]) == 0
    printed = capsys.readouterr().out
    for name in optimizers.available():
        assert re.search(rf"│ {name} +│ \w+ +│ \S", printed)


def test_list_takes_a_pattern(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("COLUMNS", "120")
    assert main(["list", "ADA*"]) == 0
    assert re.findall(r"│ (\w+) +│ \w+ +│", capsys.readouterr().out) == optimizers.available("ada*")


def test_list_suggests_a_name(capsys: pytest.CaptureFixture[str]):
    assert main(["list", "adem"]) == 1
    assert "no optimizer matches 'adem'; did you mean adam?" in capsys.readouterr().err


def test_another_backend_than_the_running_one_is_refused(capsys: pytest.CaptureFixture[str]):
    assert main(["list", "--backend", OTHER_BACKEND]) == 1
    assert f"--backend {OTHER_BACKEND}: Keras already runs on {keras.backend.backend()}" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["quickstart", "--seeds", "0"], ["list", "--backend", "numpy"], ["train"], []])
def test_bad_arguments_end_with_the_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as exit_status:
        main(arguments)
    assert exit_status.value.code == 2
    assert "usage: keras-neural-opt" in capsys.readouterr().err


@pytest.mark.slow
def test_the_console_script_chooses_the_backend():
    script = Path(sys.executable).with_name("keras-neural-opt")
    if not script.exists():
        pytest.skip("the package is not installed here, so there is no console script")
    environment = {name: value for name, value in os.environ.items() if name != "KERAS_BACKEND"}
    command = [str(script), "list", "radam", "--backend", keras.backend.backend()]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "radam" in done.stdout


@pytest.mark.slow
def test_quickstart_writes_report_and_picture(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("keras_neural_opt.cli._comparison.LEARNING_RATES", (0.01, 0.03))
    picture = tmp_path / "docs" / "picture.svg"
    arguments = ["--out", str(tmp_path / "out"), "--seeds", "1", "--epochs", "2", "--picture", str(picture)]
    assert main(["quickstart", *arguments]) == 0
    printed = capsys.readouterr().out
    page = (tmp_path / "out" / "report.html").read_text()
    for label in ("SGD momentum", "Adam", "AdamW", "RMSprop", "Adagrad", "RAdam", "AdaBound"):
        assert label in printed
        assert label in page
    assert page.count("<svg") == 2
    assert "<script" not in page
    # Two epochs at a chosen rate: each optimizer is far above the 10 percent of chance.
    accuracies = [float(number) for number in re.findall(r"<td>([\d.]+)%</td>", page)]
    assert len(accuracies) == 7
    assert min(accuracies) > 50
    assert picture.read_text().startswith("<?xml")


def test_plot_schedule_draws_several(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("COLUMNS", "120")
    picture = tmp_path / "rates.svg"
    arguments = ["--arg", "total_steps=100", "--arg", "T_max=100", "--arg", "anneal_strategy=linear"]
    rest = ["--arg", "milestones=30,60", "--steps", "101", "--learning-rate", "0.5", "--out", str(picture)]
    assert main(["plot-schedule", "one_cycle", "CosineAnnealing", "multistepdecay", *arguments, *rest]) == 0
    printed = capsys.readouterr().out
    for name in ("OneCycle", "CosineAnnealing", "MultiStepDecay"):
        assert name in printed
    assert re.search(r"│ 30 +│ [\d.]+ +│ [\d.]+ +│ 0.05 +│", printed)
    assert picture.read_text().startswith("<?xml")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["OneCicle"], "there is no schedule 'OneCicle'; did you mean OneCycle?; there are Constant, CosineAnnealing"),
        (["OneCycle", "--arg", "gamma=2"], "plot-schedule.arg must be one of anneal_strategy, div_factor"),
        (["OneCycle", "--arg", "gamma"], "plot-schedule.arg must be NAME=VALUE; received 'gamma'"),
        (["MultiStepDecay", "--arg", "milestones=[60, 30]"], "received [60, 30]"),
        (["OneCycle"], "OneCycle.total_steps must be given; received none"),
        (["StepDecay", "--arg", "step_size=x"], "StepDecay.decay_steps must be an integer from 1"),
        (["Constant", "--out", "x.exe"], "plot-schedule.out must be the name of an .svg file; received 'x.exe'"),
        (["Constant", "--steps", "1"], "schedule_figure.steps must be an integer >= 2; received 1"),
    ],
)
def test_plot_schedule_says_what_is_wrong(
    arguments: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.chdir(tmp_path)
    assert main(["plot-schedule", *arguments]) == 1
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
