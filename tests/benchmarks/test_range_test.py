"""The benchmark of range tests, and that of schedules: their protocols, records and pictures."""

import json
import math
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from keras_neural_opt import benchmarks
from keras_neural_opt.benchmarks import _range_test
from keras_neural_opt.benchmarks._train_data import Data
from keras_neural_opt.benchmarks._train_tasks import Task
from keras_neural_opt.training import LearningRateRange

# The record is made on one backend.
pytestmark = pytest.mark.backend_free


def test_the_best_has_the_least_median_and_what_diverged_is_none():
    rates = list(np.geomspace(1e-4, 1.0, 41))
    found = [LearningRateRange(rates, [1.0] * 20 + [1 - i / 20 for i in range(11)] + [2.0] * 10) for _ in range(3)]
    losses = [
        {0.01: 0.5, 0.1: 0.3, 1.0: math.nan},
        {0.01: 0.4, 0.1: 0.9, 1.0: 0.1},
        {0.01: 0.3, 0.1: 0.2, 1.0: math.inf},
    ]
    record = _range_test._judged(found, losses)
    assert record["best"] == 0.1
    assert record["grid"][2] == {"rate": 1.0, "losses": [None, 0.1, None]}
    assert record["over_best"] == [pytest.approx(each.suggestion / 0.1, rel=1e-3) for each in found]
    assert json.loads(json.dumps(record)) == record


def small(context: int | None) -> Task:
    def model() -> Any:
        if context:
            return keras.Sequential([keras.Input((context,)), keras.layers.Embedding(5, 4), keras.layers.Dense(5)])
        return keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])

    rng = np.random.default_rng(0)
    if context:
        text = rng.integers(0, 5, 300).astype("int32")
        data = Data(text, text[:0], text, text[:0], "noise")
    else:
        x = rng.normal(size=(80, 3)).astype("float32")
        y = (x.sum(1) > 0).astype("int32")
        data = Data(x, y, x, y, "noise")
    return Task("a test", model, lambda folder: data, 4, 10, 5, None, context=context)


@pytest.mark.slow
@pytest.mark.parametrize("context", [None, 6])
def test_every_rate_starts_from_the_same_weights(context: int | None, monkeypatch: pytest.MonkeyPatch):
    task = small(context)
    monkeypatch.setattr(_range_test, "TASKS", {"digits": task})
    monkeypatch.setattr(_range_test, "GRID", [0.01, 0.1])
    steps: list[None] = []
    record = benchmarks.range_test("digits", seeds=1, advance=lambda: steps.append(None))
    assert len(steps) == _range_test.runs_of(1) == 2 * 3
    assert [row["optimizer"] for row in record["results"]] == ["Adam", "SGD"]
    again = benchmarks.range_test("digits", seeds=1)
    assert again == record
    monkeypatch.setattr(_range_test, "GRID", [0.1, 0.01])
    swapped = benchmarks.range_test("digits", seeds=1)
    for row, other in zip(record["results"], swapped["results"], strict=True):
        assert row["grid"] == other["grid"][::-1]
    figure = benchmarks.range_test_figure([record, swapped])
    assert len(figure.axes) == 4
    assert [len(axes.lines) for axes in figure.axes] == [3] * 4  # the loss, its best, a suggestion


@pytest.mark.slow
def test_schedules_are_timed_against_a_constant_rate():
    pytest.importorskip("sklearn", reason="scikit-learn has the digits")
    record = benchmarks.schedules(rounds=1)
    names = [row["schedule"] for row in record["results"]]
    assert names[0] == "constant, again"
    assert "OneCycle, OneCycleMomentum" in names
    for row in record["results"]:
        assert set(row["times"]) == {"ours", "constant"}
        assert row["ours_over"]["constant"]["wall"] > 0


@pytest.mark.slow
def test_the_command_writes_a_record(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    from keras_neural_opt.benchmarks import _train_tasks
    from keras_neural_opt.cli import main

    task = small(None)
    for module in (_range_test, _train_tasks):
        monkeypatch.setattr(module, "TASKS", {"digits": task})
    monkeypatch.setattr(_range_test, "GRID", [0.01, 0.1])
    arguments: list[Any] = ["bench", "range-test", "--task", "digits", "--seeds", "1", "--out", str(tmp_path)]
    assert main(arguments) == 0
    assert "best rate of a grid" in capsys.readouterr().out
    assert json.loads((tmp_path / "range_test_digits.json").read_text())["task"] == "digits"
    assert main(["bench", "range-test", "--task", "nothing"]) != 0
