"""The benchmark of weight decay under batch norms: its protocol, its record and its picture."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keras_neural_opt import benchmarks
from keras_neural_opt.benchmarks import _batch_norm_decay
from keras_neural_opt.benchmarks._train_data import Data

# The record is made on one backend.
pytestmark = pytest.mark.backend_free


def test_means_over_samples_and_seeds():
    assert _batch_norm_decay._points([3.0, 3.0, 3.0, 3.0, 0.0, 4.0, 0.0, 4.0, 9.0]).tolist() == [3.0, math.sqrt(8.0)]
    runs = [
        {
            "accuracy": accuracy,
            "change": change,
            "watched": {"conv": {"step": [1, 11, 21, 31, 41], **{q: [x] * 5 for q in _batch_norm_decay._QUANTITIES}}},
        }
        for accuracy, change, x in ((0.5, 0.01, 1.0), (0.75, 0.02, 4.0))
    ]
    row = _batch_norm_decay._together(0.2, runs)
    assert row == {
        "weight_decay": 0.2,
        "equilibrium": 0.2,
        "accuracies": [0.5, 0.75],
        "change_by_scaling": 0.02,
        "weights": [{"weight": "conv", "step": [1], **{q: [2.0] for q in _batch_norm_decay._QUANTITIES}}],
    }
    assert _batch_norm_decay._together(0.0, runs)["equilibrium"] is None


@pytest.mark.slow
def test_the_command_writes_a_record(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    from keras_neural_opt.cli import main

    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(8, 8, 8, 1)).astype("float32"), rng.integers(0, 10, 8).astype("int32")
    monkeypatch.setattr(_batch_norm_decay, "digits", lambda folder: Data(x, y, x, y, "noise"))
    for name, value in {"DECAYS": (0.0, 0.02), "BATCH": 4, "_EVERY": 1}.items():
        monkeypatch.setattr(_batch_norm_decay, name, value)
    arguments: list[Any] = ["bench", "batch-norm", "--seeds", "1", "--out", str(tmp_path / "new")]
    assert main(arguments) == 0
    assert "its last kernel at the end" in capsys.readouterr().out
    record = json.loads((tmp_path / "new" / "batch_norm_decay.json").read_text())
    assert [row["weight_decay"] for row in record["results"]] == [0.0, 0.02]
    for row in record["results"]:
        assert [each["weight"] for each in row["weights"]] == ["conv_1", "conv_2"]
        # 40 epochs of 2 batches: a sample in each but the first, four of them a point.
        assert [len(each["norm"]) for each in row["weights"]] == [19, 19]
        assert row["weights"][0]["step"] == list(range(1, 77, 4))
        assert row["change_by_scaling"] < 0.1
    # The same first weights and batches: before decay did anything the kernels turned alike.
    first = [row["weights"][1]["angular_update"][0] for row in record["results"]]
    assert first[0] == pytest.approx(first[1], rel=0.05)
    panels = benchmarks.batch_norm_decay_figure(record).axes
    assert [len(axes.lines) for axes in panels] == [2, 2, 3]  # and the one equilibrium
