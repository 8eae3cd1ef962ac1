"""The benchmark of a real search: what it records, and its interval."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from keras_neural_opt import benchmarks
from keras_neural_opt.benchmarks import _architecture_search
from keras_neural_opt.benchmarks._architecture_search import interval
from keras_neural_opt.benchmarks._train_data import Data
from keras_neural_opt.cli import main

pytestmark = pytest.mark.backend_free


def test_the_interval_is_wilsons() -> None:
    # (r + 1.96^2 / 2n +- 1.96 sqrt(r (1 - r) / n + 1.96^2 / 4n^2)) / (1 + 1.96^2 / n), by hand, for 9 of 10.
    assert interval(9, 10) == pytest.approx((0.5958, 0.9821), abs=1e-4)
    assert interval(0, 10)[0] == 0.0


@pytest.mark.slow
def test_the_command_searches_and_judges_on_the_test_images(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(0)
    # Which half is bright tells the class; the test images have their labels the wrong way round.
    labels = rng.integers(0, 2, 200).astype("int32")
    images = rng.random((200, 8, 8, 1)).astype("float32")
    images[:, :4] += 2.0 * labels[:, None, None, None]
    data = Data(images[:100], labels[:100], images[100:], 1 - labels[100:], "halves")
    monkeypatch.setattr(_architecture_search, "mnist", lambda folder: data)
    monkeypatch.setattr(
        _architecture_search,
        "PROTOCOL",
        replace(_architecture_search.PROTOCOL, seconds=6, images=64, judged=36, epochs=4),
    )
    out = tmp_path / "record.json"
    assert main(["bench", "architecture-search", "--seeds", "1", "--data", str(tmp_path), "--out", str(out)]) == 0
    record = json.loads(out.read_text())
    assert [(row["strategy"], row["seed"]) for row in record["results"]] == [("auto", 0), ("random", 0)]
    for row in record["results"]:
        assert len(row["accuracies"]) == len(row["ended_after"]) > 0
        assert row["ended_after"] == sorted(row["ended_after"])
        assert max(row["accuracies"]) > 0.6
        assert row["test_accuracy"] < 0.3
        assert row["interval"][0] <= row["test_accuracy"] < row["interval"][1]
    assert "interval of 95 %" in capsys.readouterr().out


def test_bad_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match=r"architecture_search\.seeds must be an integer >= 1; received 0"):
        benchmarks.architecture_search(seeds=0)
