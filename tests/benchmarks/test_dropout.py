"""The benchmark of dropout that is trained: its protocol, record, picture and command."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keras_neural_opt import benchmarks
from keras_neural_opt.benchmarks import _dropout
from keras_neural_opt.benchmarks._train_data import Data

# The record is made on one backend.
pytestmark = pytest.mark.backend_free


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(90, 3, 2, 1)).astype("float32"), rng.integers(0, 10, 90).astype("int32")
    monkeypatch.setattr(_dropout, "mnist", lambda folder: Data(x[:60], y[:60], x[60:], y[60:], "noise"))
    protocol = _dropout.Protocol(sizes=(20, 40), steps=6, units=(4, 3), epochs=2, sparse_units=(5, 3), batch=10)
    monkeypatch.setattr(_dropout, "PROTOCOL", protocol)


@pytest.mark.slow
@pytest.mark.usefixtures("small")
def test_the_record_has_every_run_and_the_command_writes_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    from keras_neural_opt.cli import main

    steps: list[None] = []
    record = json.loads(json.dumps(benchmarks.dropout(seeds=1, advance=lambda: steps.append(None))))
    assert len(steps) == _dropout.runs_of(1) == 6
    runs = record["concrete"]["runs"]
    assert [(run["samples"], run["seed"]) for run in runs] == [(20, 0), (40, 0)]
    assert all(len(run["rates"]) == 3 for run in runs)
    for run in record["variational"]["runs"]:
        assert [len(run["accuracy"][name]) for name in ("with", "without")] == [2, 2]
        whole = np.average(run["sparsity_by_layer"], weights=[6 * 5, 5 * 3, 3 * 10])
        assert run["sparsity"][-1] == pytest.approx(whole, abs=2e-4)
    figure = benchmarks.dropout_figure(record)
    # Three layers, each a line and dots for two sizes; sparsity; accuracy with and without.
    assert [len(axes.lines) for axes in figure.axes] == [9, 1, 2]
    arguments: list[Any] = ["bench", "dropout", "--seeds", "1", "--out", str(tmp_path)]
    assert main(arguments) == 0
    assert "variational dropout" in capsys.readouterr().out
    written = json.loads((tmp_path / "dropout_mnist.json").read_text())
    assert {name: value for name, value in written.items() if name != "environment"} == record


def test_the_committed_record_holds_what_the_page_says():
    path = Path(__file__).resolve().parents[2] / "docs" / "benchmarks" / "dropout_mnist.json"
    record = json.loads(path.read_text())
    medians = {}
    for run in record["concrete"]["runs"]:
        medians.setdefault(run["samples"], []).append(np.mean(run["rates"]))
    falling = [np.median(rates) for _, rates in sorted(medians.items())]
    assert falling == sorted(falling, reverse=True)
    for run in record["variational"]["runs"]:
        assert run["sparsity"][-1] > 0.8
        assert run["accuracy"]["without"][-1] - run["accuracy"]["with"][-1] < 0.005
