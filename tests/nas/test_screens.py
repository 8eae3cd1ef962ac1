"""Networks that are discarded before they are trained."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest

import keras_neural_opt as kno
from keras_neural_opt.hpo import SearchSpace
from keras_neural_opt.hpo._records import MEASURED, REASON, REFUSED
from keras_neural_opt.nas import _screens
from keras_neural_opt.nas._screens import Surrogate, ZeroCost

GENES = SearchSpace({"depth": ("int", 1, 20)})
FLAT = SearchSpace([(f"g{i}", "categorical", ["a", "b", "c"]) for i in range(3)])
WORST, BEST = {f"g{i}": "a" for i in range(3)}, {f"g{i}": "c" for i in range(3)}
RNG = np.random.default_rng(0)
X = RNG.normal(size=(96, 4)).astype("float32")
Y = (X[:, 0] * X[:, 1] > 0).astype("int32")


def study_of(count: int, scores: Any = None) -> optuna.Study:
    """Return a study of networks of depths 1, 2, ..., of which the deeper is the better."""
    study = optuna.create_study()
    gene = GENES.by_key()
    for depth in range(1, count + 1):
        params = GENES.drawn({"depth": depth})
        known = {MEASURED: json.dumps(scores(depth))} if scores else {}
        study.add_trial(
            optuna.trial.create_trial(
                params=params,
                distributions={key: gene[key].distribution for key in params},
                value=1.0 / depth,
                user_attrs=known,
            )
        )
    return study


def refused(screen: Any, study: optuna.Study, depth: int, scores: Any = None) -> str | None:
    new = optuna.trial.create_trial(state=optuna.trial.TrialState.RUNNING)
    new.number = len(study.trials)
    return screen.reason(study, new, {"depth": depth}, scores or {})


def test_a_surrogate_discards_what_is_expected_to_be_among_the_worst() -> None:
    screen, study = Surrogate(FLAT), optuna.create_study()
    by_key = FLAT.by_key()
    for i in range(27):
        genotype = {f"g{j}": "abc"[i // 3**j % 3] for j in range(3)}
        params = FLAT.drawn(genotype)
        if genotype != WORST and genotype != BEST:
            study.add_trial(
                optuna.trial.create_trial(
                    params=params,
                    distributions={key: by_key[key].distribution for key in params},
                    value=float(sum(value != "c" for value in genotype.values())),
                )
            )
    new = optuna.trial.create_trial(state=optuna.trial.TrialState.RUNNING)
    new.number = 99
    assert screen.reason(study, new, BEST, {}) is None
    reason = screen.reason(study, new, WORST, {})
    assert reason is not None
    assert re.fullmatch(r"surrogate: of \d+ of 25 networks that were trained more is to be expected", reason)


def test_the_worst_third_by_mean_rank_is_discarded() -> None:
    study = study_of(12, lambda depth: {"a": depth, "b": depth**2})
    screen = ZeroCost(GENES)
    found = [refused(screen, study, 20, {"a": k + 0.5, "b": k**2 + 0.5}) is not None for k in range(13)]
    # Of networks 1 to 12 better are 12 - k, of which more than two thirds are 9 and more.
    assert found == [k < 4 for k in range(13)]


def test_a_score_that_ranks_the_wrong_way_round_has_no_voice() -> None:
    study = study_of(12, lambda depth: {"a": depth, "b": -(depth**3)})
    screen = ZeroCost(GENES)
    assert refused(screen, study, 20, {"a": 0.5, "b": 1e6}) is not None
    assert refused(screen, study, 20, {"a": 50.0, "b": -1e6}) is None
    only_wrong = study_of(12, lambda depth: {"b": -depth})
    assert refused(screen, only_wrong, 20, {"b": -50.0}) is None
    constant = study_of(12, lambda depth: {"c": 1.0})
    assert refused(screen, constant, 20, {"c": 0.0}) is None


def test_nothing_is_discarded_before_ten_networks_are_trained() -> None:
    screen = ZeroCost(GENES)
    for count in (9, 10):
        study = study_of(count, lambda depth: {"a": depth})
        assert (refused(screen, study, 20, {"a": 0.0}) is None) == (count < 10)


def search(directory: Path, **options: Any) -> Any:
    space = kno.nas.mlp(depths=[1, 2], units=[1, 2, 16], activations="relu", dropout_rates=0.0, batch_norms=True)
    given = {"search_space": space, "population_size": 4, "generations": 2, "epochs": 2, "seed": 1, "verbose": 0}
    return kno.neural_architecture_search(
        (X[:64], Y[:64]), (X[64:], Y[64:]), {**given, "directory": directory, **options}
    )


SCORES = {
    "zero_cost": {"synflow", "jacobian_covariance", "gradient_norm", "params", "flops"},
    "surrogate": set(),
    "weight_sharing": {"shared_loss"},
}


@pytest.mark.slow
@pytest.mark.parametrize("predictor", SCORES)
def test_a_search_trains_whole_what_it_does_not_discard(
    predictor: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_screens, "_TRAINED", 3)
    # After them it discards each: which of a few tiny networks is the better is another matter on each backend.
    monkeypatch.setattr(_screens, "_BETTER", -1.0)
    result = search(tmp_path, search_strategy="random", performance_predictor=predictor)
    states = [trial.state for trial in result.trials]
    assert states == ["completed"] * 3 + ["refused"] * 5
    for trial in result.trials:
        assert len(trial.history.get("val_accuracy", [])) == (2 if trial.state == "completed" else 0)
    stored = result.tuner.oracle.study.trials
    refused = [trial.user_attrs[REASON] for trial in stored if REFUSED in trial.user_attrs]
    assert len(refused) == states.count("refused")
    assert all(reason.startswith(f"{predictor}: of ") for reason in refused)
    assert set(json.loads(stored[0].user_attrs.get(MEASURED, "{}"))) == SCORES[predictor]


@pytest.mark.slow
@pytest.mark.backend_free
def test_a_search_goes_on_with_another_predictor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_screens, "_TRAINED", 2)
    search(tmp_path, search_strategy="random", performance_predictor="none", generations=1)
    result = search(tmp_path, search_strategy="random", performance_predictor="zero_cost", generations=2)
    states = [trial.state for trial in result.trials]
    # Those of before have no scores, so that the next two are trained whatever theirs are.
    assert states[:6] == ["completed"] * 6
    assert set(states[6:]) <= {"completed", "refused"}
