"""The benchmark of searches that stop most trainings early: the table, what is counted, the record."""

import json
from pathlib import Path

import numpy as np
import pytest

import keras_neural_opt as kno
from keras_neural_opt import benchmarks
from keras_neural_opt.benchmarks import _early_stopping, _learning_curves
from keras_neural_opt.benchmarks._learning_curves import TABLE, LearningCurves
from keras_neural_opt.cli import main

pytestmark = pytest.mark.backend_free

COMMITTED = Path(__file__).parents[2] / "docs" / "benchmarks"


def test_the_table_has_every_network_of_the_space() -> None:
    curves = LearningCurves(COMMITTED)
    genotypes = [
        _learning_curves.space().genes.values(drawn) for drawn in _learning_curves.space().genes.configurations()
    ]
    accuracies = np.array([curves.of(genotype) for genotype in genotypes])
    assert accuracies.shape == (curves.count, curves.epochs) == (312, 27)
    assert accuracies.max() == curves.best > 0.97
    # Trained: not one is near the tenth of guessing.
    assert accuracies[:, -1].min() > 0.5


def test_whole_trainings_take_all_epochs_and_end_at_the_best_of_them() -> None:
    curves = LearningCurves(COMMITTED)
    epochs, best = _early_stopping.search(curves, "random", "none", 312, 0)
    assert epochs == 312 * 27
    assert best == curves.best
    fewer, found = _early_stopping.search(curves, "random", "early_stopping", 312, 0)
    assert fewer < epochs / 2.5
    # Of a training that was whole.
    assert found in {max(curves.of(genotype)) for genotype in map(dict, curves._known)}


def test_the_command_writes_the_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.setattr(_early_stopping, "SEEDS", 2)
    monkeypatch.setattr(_early_stopping, "TRIALS", (12,))
    out = tmp_path / "record.json"
    assert main(["bench", "early-stopping", "--data", str(COMMITTED), "--out", str(out)]) == 0
    record = json.loads(out.read_text())
    assert [(row["strategy"], row["predictor"], len(row["regrets"])) for row in record["results"]] == [
        (strategy, predictor, 2)
        for strategy in ("bayesian_evolution", "random")
        for predictor in ("none", "early_stopping")
    ]
    assert record["results"][0]["mean_epochs"] == 12 * 27 > 2 * record["results"][1]["mean_epochs"]
    assert all(0 <= regret < 20 for row in record["results"] for regret in row["regrets"])
    assert f"{12 * 27}" in capsys.readouterr().out


@pytest.mark.slow
def test_the_command_records_the_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("sklearn", reason="scikit-learn has the digits")
    two = kno.nas.mlp(1, (4, 8), "relu", 0.0, False)
    monkeypatch.setattr(_learning_curves, "space", lambda: two)
    path = benchmarks.record_learning_curves(tmp_path / TABLE, epochs=2)
    curves = LearningCurves(path.parent)
    assert (curves.count, curves.epochs) == (2, 2)
    for units in (4, 8):
        before, after = curves.of({"layer_1_units": units})
        assert 0.0 < before < after
    assert main(["bench", "learning-curves"]) != 0


def test_bad_arguments_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"early_stopping\.seeds must be an integer >= 1; received 0"):
        benchmarks.early_stopping(COMMITTED, seeds=0)
    with pytest.raises(FileNotFoundError, match=r"needs a folder with learning_curves\.npz"):
        benchmarks.early_stopping(tmp_path)
