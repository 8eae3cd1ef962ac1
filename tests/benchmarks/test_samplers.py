"""The benchmark of samplers: its problems have the optima that are claimed, and its record says what was found."""

import json
import math

import numpy as np
import optuna
import pytest

from keras_neural_opt import benchmarks
from keras_neural_opt.benchmarks import _samplers
from keras_neural_opt.benchmarks._sampler_problems import branin, digits_table, hartmann6, mixed

VALLEYS = [(-math.pi, 12.275), (math.pi, 2.275), (9.42478, 2.475)]
BOTTOM = [0.20169, 0.150011, 0.476874, 0.275332, 0.311652, 0.6573]
TRAINED = {"optimizer": "adam", "learning_rate": 1e-3, "layers": 3, "activation": "gelu"}


def at(problem, params):
    return problem(optuna.trial.FixedTrial(params))


@pytest.mark.parametrize("valley", VALLEYS)
def test_branin_is_least_in_its_three_valleys(valley):
    assert at(branin, dict(zip("xy", valley, strict=True))) == pytest.approx(0.397887, abs=2e-6)


def test_hartmann_is_least_where_the_literature_says():
    assert at(hartmann6, {f"x{i}": x for i, x in enumerate(BOTTOM)}) == pytest.approx(-3.32237, abs=2e-5)


def test_the_mixed_problem_is_least_at_its_optimum():
    best = {**TRAINED, "momentum": 0.7, "dropout": 0.25, "units": 128}
    assert at(mixed, best) == pytest.approx(0.0, abs=1e-12)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study.optimize(mixed, n_trials=300)
    optuna.logging.set_verbosity(before)
    assert study.best_value > 0.0
    for change in ({"momentum": 0.8}, {"dropout": 0.3}, {"units": 64}, {"layers": 4}, {"activation": "relu"}):
        assert at(mixed, best | change) > 1e-3


def test_the_table_is_looked_up_by_all_its_columns(table):
    problem = digits_table(table)
    params = {"lr": 2, "units": 3, "wd": 1, "batch": "128", "act": "relu", "opt": "sgdm"}
    row = np.ravel_multi_index((2, 3, 1, 0, 1, 1), (9, 4, 2, 2, 3, 2))
    assert at(problem, params) == pytest.approx(0.06055 + row)
    with pytest.raises(FileNotFoundError, match=r"hpo_digits_table\.csv: give --data or set KNO_DATA"):
        digits_table(None)


def test_the_record_says_what_each_seed_found(table, monkeypatch):
    monkeypatch.setattr(_samplers, "TRIALS", 4)
    monkeypatch.setattr(_samplers, "COSTS_AT", (3,))
    steps = []
    record = benchmarks.samplers(["RandomSampler", "CmaEsSampler"], table, lambda: steps.append(1), seeds=2)
    assert len(steps) == _samplers.studies_of(["RandomSampler", "CmaEsSampler"], 2) == 16
    assert [(row["problem"], row["sampler"]) for row in record["results"]][:5] == [
        *((problem, "RandomSampler") for problem in ("branin", "hartmann6", "mixed", "digits")),
        ("branin", "CmaEsSampler"),
    ]
    row = record["results"][0]
    first, second = row["best"]
    assert row["mean"] == pytest.approx((first + second) / 2, abs=1e-5)
    assert row["mean_regret"] == pytest.approx(row["mean"] - 0.397887, abs=2e-5)
    assert row["standard_error"] == pytest.approx(abs(first - second) / 2, abs=2e-5)
    assert record["cpu_seconds_of_a_proposal"][1]["sampler"] == "CmaEsSampler"
    assert json.loads(json.dumps(record)) == record


def test_an_unknown_sampler_is_refused():
    with pytest.raises(ValueError, match=r"samplers\.names must be one of .* received 'TPE'"):
        benchmarks.samplers(["TPE"])
