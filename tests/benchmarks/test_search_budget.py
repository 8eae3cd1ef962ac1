"""The benchmark of searches with a budget of epochs: each epoch counts, and only whole trainings are results."""

import itertools
import json

import pytest

from keras_neural_opt import benchmarks
from keras_neural_opt.benchmarks import _search_budget
from keras_neural_opt.benchmarks._sampler_problems import Curves
from keras_neural_opt.cli import main

pytestmark = [pytest.mark.backend_free, pytest.mark.filterwarnings("ignore")]  # KerasTuner warns of its own old calls.


@pytest.mark.parametrize("name", _search_budget.SEARCHES)
def test_each_search_trains_whole_networks_among_short_ones(name, table):
    curves = Curves(table)
    last = {losses[-1] for losses in curves._known.values()}
    epochs = list(itertools.islice(_search_budget.SEARCHES[name](curves, 0), 300))
    whole = [loss for loss in epochs if loss is not None]
    assert 1 <= len(whole) <= 300 / 27 + 1
    assert set(whole) <= last


def test_the_regret_is_that_of_the_best_whole_training_so_far(monkeypatch):
    monkeypatch.setattr(_search_budget, "BUDGETS", (2, 3, 6))
    assert _search_budget._regrets(iter([None, 3.0, None, 5.0, 2.0, None, 0.0]), 1.0) == [2.0, 2.0, 1.0]
    assert _search_budget._regrets(iter([None, None, 3.0]), 1.0)[0] == float("inf")


def test_the_command_writes_the_record(table, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(_search_budget, "SEEDS", 1)
    monkeypatch.setattr(_search_budget, "BUDGETS", (135, 200))
    monkeypatch.setattr(_search_budget, "TRIALS", 9)
    out = tmp_path / "record.json"
    assert main(["bench", "search-budget", "--data", str(table), "--out", str(out)]) == 0
    record = json.loads(out.read_text())
    assert [(row["search"], row["epochs"]) for row in record["results"]] == [
        (name, epochs) for name in _search_budget.SEARCHES for epochs in (135, 200)
    ]
    none, auto, halved = record["pruning"]
    assert [row["pruner"] for row in record["pruning"]] == ["none", "median", "halved_start"]
    assert none["mean_epochs"] == 9 * 27
    assert halved["mean_epochs"] < auto["mean_epochs"] < 9 * 27
    printed = capsys.readouterr().out
    assert "mean regret after so many epochs, 1 seeds" in printed
    assert f"{auto['mean_epochs']:.0f}" in printed


def test_bad_arguments_are_refused(table):
    with pytest.raises(ValueError, match=r"search_budget\.names must be one of .* received 'TPE'"):
        benchmarks.search_budget(["TPE"], table)
    with pytest.raises(ValueError, match=r"search_budget\.seeds must be an integer >= 1; received 0"):
        benchmarks.search_budget((), table, seeds=0)
