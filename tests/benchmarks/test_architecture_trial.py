"""The benchmark of a trial: both ways train the same network on the same images."""

import json
from pathlib import Path

import numpy as np
import pytest

from keras_neural_opt.benchmarks import _architecture_trial
from keras_neural_opt.benchmarks._train_data import digits
from keras_neural_opt.cli import main
from keras_neural_opt.nas import mlp


def test_images_are_the_digits_enlarged() -> None:
    small = digits(None)
    large = _architecture_trial._images(small)
    assert large.inputs.shape == (len(small.inputs), 28, 28, 1)
    # The outermost pixels lose half of their side.
    np.testing.assert_array_equal(
        large.held_out_inputs[:, ::4][:, 1:, ::4][:, :, 1:], small.held_out_inputs[:, 1:7, 1:7]
    )


@pytest.mark.slow
@pytest.mark.backend_free
def test_the_command_writes_what_both_ways_take(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    made = []

    def small(**_: object) -> object:
        made.append(mlp(depths=1, units=[4, 8], activations="relu", dropout_rates=0.0, batch_norms=False))
        return made[-1]

    monkeypatch.setattr("keras_neural_opt.nas.mobilenet_v3", small)
    monkeypatch.setattr(_architecture_trial, "NETWORKS", {"drawn": 0})
    # A new process would know nothing of the small space.
    monkeypatch.setattr(_architecture_trial, "_alone", _architecture_trial.processor_seconds)
    out = tmp_path / "record.json"
    assert main(["bench", "architecture-trial", "--out", str(out)]) == 0
    [row] = json.loads(out.read_text())["results"]
    assert len(made) == 2
    assert row["network"] == "drawn"
    assert row["ours"] > 0.0
    assert row["ours_over_plain"] == pytest.approx(row["ours"] / row["plain"], abs=1e-3)
    assert "ours / plain" in capsys.readouterr().out
