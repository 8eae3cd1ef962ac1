import json
import subprocess
import sys
from pathlib import Path

import keras_tuner as kt
import numpy as np
import optuna
import pytest

from keras_neural_opt.hpo import OptunaOracle
from keras_neural_opt.hpo._cma_es import ReplayedCmaEsSampler
from keras_neural_opt.hpo._journal import JournalFile, cut_torn_line, open_storage
from keras_neural_opt.hpo._samplers import SAMPLERS

pytestmark = pytest.mark.backend_free

SPACE = [("x", "uniform", -1.0, 1.0), ("n", "int", 0, 9), ("c", "categorical", ["a", "b"])]
TWELVE = [("a", "categorical", ["x", "y"]), ("b", "int", 1, 3), ("c", "boolean")]


def bowl(values: dict) -> float:
    return values["x"] ** 2 + 0.01 * (values["n"] - 3) ** 2 + (values["c"] == "a")


def run(oracle: OptunaOracle, function: object = bowl, trials: int | None = None) -> list[dict]:
    """Search with a function of the values; return the values in order."""
    found = []
    while trials is None or len(found) < trials:
        trial = oracle.create_trial("here")
        if trial.status == "STOPPED":
            break
        values = dict(trial.hyperparameters.values)
        found.append(values)
        told = oracle.update_trial(trial.trial_id, {"loss": function(values)})
        trial.status = told.status if told.status == "STOPPED" else "COMPLETED"
        oracle.end_trial(trial)
    return found


def oracle(**options: object) -> OptunaOracle:
    return OptunaOracle(**{"objective": "loss", "hyperparameters": SPACE, "max_trials": 12, "seed": 1, **options})


NAMES = [name for name in SAMPLERS if name != "grid"]


@pytest.mark.parametrize("sampler", NAMES)
def test_a_resumed_search_proposes_what_an_uninterrupted_one_does(sampler: str, tmp_path: Path) -> None:
    whole = run(oracle(sampler=sampler))
    parts = []
    for until in (5, 9, None):
        again = oracle(sampler=sampler, storage=tmp_path / "journal")
        parts += run(again, trials=None if until is None else until - len(parts))
    assert len(whole) == 12
    assert parts == whole


@pytest.mark.parametrize("sampler", ["auto", "tpe", "random", "grid"])
def test_a_trial_that_is_lost_leaves_no_gap(sampler: str) -> None:
    space = TWELVE if sampler == "grid" else SPACE
    value = (lambda values: values["b"]) if sampler == "grid" else bowl
    whole = run(oracle(sampler=sampler, hyperparameters=space), value)
    search = oracle(sampler=sampler, hyperparameters=space)
    begun = run(search, value, trials=5)
    search.abandon(search.create_trial("here"))
    assert begun + run(search, value) == whole
    assert len(search.study.trials) == 13


@pytest.mark.parametrize("sampler", NAMES)
def test_proposals_follow_the_seed(sampler: str) -> None:
    searches = [run(oracle(sampler=sampler, seed=seed, max_trials=4)) for seed in range(1, 11)]
    configurations = [json.dumps(values) for found in searches for values in found]
    assert len(set(configurations)) == len(configurations) == 40


@pytest.mark.parametrize("sampler", list(SAMPLERS))
def test_a_finite_space_is_tried_once_and_then_the_search_ends(sampler: str) -> None:
    found = run(oracle(sampler=sampler, hyperparameters=TWELVE, max_trials=50), lambda values: values["b"])
    assert len(found) == 12
    assert len({json.dumps(values) for values in found}) == 12


def test_conditional_parameters_are_drawn_only_where_they_count() -> None:
    space = [("opt", "categorical", ["sgd", "adam"]), ("momentum", "uniform", 0, 1, {"when": ("opt", "sgd")})]
    found = run(oracle(hyperparameters=space, max_trials=20), lambda values: values.get("momentum", 0.3))
    assert {values["opt"] for values in found} == {"sgd", "adam"}
    assert all(("momentum" in values) == (values["opt"] == "sgd") for values in found)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_what_diverges_neither_ends_the_search_nor_attracts_it(bad: float) -> None:
    search = oracle(hyperparameters=[("x", "uniform", 0.0, 1.0)], max_trials=30, pruner=None)
    found = [v["x"] for v in run(search, lambda v: bad if v["x"] > 0.4 else 1 + v["x"])]
    assert len(found) == 30
    assert np.mean(np.array(found[15:]) > 0.4) <= 0.3  # 0.6 of the space
    diverged = [t for t in search.study.trials if t.params["x"] > 0.4]
    assert diverged
    assert {t.state.name for t in diverged} == {"PRUNED"}
    assert {t.user_attrs["kno:reason"] for t in diverged} == {"diverged"}


def test_ten_that_diverge_in_a_row_do_not_end_it() -> None:
    assert len(run(oracle(max_trials=11), lambda values: float("nan"))) == 11


def test_patience_ends_a_search_that_finds_nothing_better() -> None:
    values = iter([5.0, 3.0, 4.0, 4.0, 2.0, 9.0, 9.0, 9.0, 1.0])
    search = oracle(patience=3, max_trials=None, pruner=None)
    assert len(run(search, lambda _: next(values))) == 8


def test_failures_in_a_row_end_it_with_the_reason() -> None:
    search = oracle(max_consecutive_failed_trials=3)
    for _ in range(3):
        trial = search.create_trial("here")
        trial.status, trial.message = "INVALID", "no memory"
        search.end_trial(trial)
    with pytest.raises(RuntimeError, match="last 3 trials failed, the last one with: no memory"):
        search.create_trial("here")


def test_a_failed_trial_is_run_again_as_often_as_asked() -> None:
    search = oracle(max_retries_per_trial=2, max_trials=2)
    seen = []
    for status in ("INVALID", "INVALID", "INVALID", "COMPLETED"):
        trial = search.create_trial("here")
        seen.append(dict(trial.hyperparameters.values))
        search.update_trial(trial.trial_id, {"loss": 1.0})
        trial.status = status
        search.end_trial(trial)
    assert seen[0] == seen[1] == seen[2] != seen[3]
    assert search.create_trial("here").status == "STOPPED"
    assert [t.state.name for t in search.study.trials] == ["FAIL", "FAIL", "FAIL", "COMPLETE"]


def test_points_that_are_known_come_first_and_once(tmp_path: Path) -> None:
    points = [{"x": 0.5, "n": 3, "c": "a"}, {"x": -0.5}]
    for _ in range(2):
        search = oracle(storage=tmp_path / "journal", max_trials=4)
        search.begin_with(points)
        run(search, trials=2)
    found = [t.params for t in search.study.trials]
    assert found[0] == points[0]
    assert found[1]["x"] == -0.5
    assert len(found) == 4
    with pytest.raises(ValueError, match=r"did you mean x\?|must have 'xx'"):
        search.begin_with([{"xx": 1}])
    with pytest.raises(ValueError, match=r"search_space\.x must have values of"):
        search.begin_with([{"x": 7.0}])


def test_a_study_of_another_search_is_refused(tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    run(oracle(storage=journal, max_trials=1))
    with pytest.raises(ValueError, match=r"OptunaOracle\.space must be those of the study"):
        run(oracle(storage=journal, hyperparameters=TWELVE))
    with pytest.raises(ValueError, match=r"OptunaOracle\.objectives must be those of the study"):
        run(oracle(storage=journal, objective="val_loss"))
    with pytest.raises(ValueError, match=r"OptunaOracle\.seed must be that of the study 'search', 1; received 2"):
        run(oracle(storage=journal, seed=2))


def test_several_objectives_have_a_front() -> None:
    search = oracle(objective=["accuracy", "params"], hyperparameters=[("n", "int", 1, 9)], max_trials=9)
    while (trial := search.create_trial("here")).status != "STOPPED":
        n = trial.hyperparameters["n"]
        search.update_trial(trial.trial_id, {"accuracy": n if n != 5 else 2, "params": n})
        trial.status = "COMPLETED"
        search.end_trial(trial)
    assert sorted(t.params["n"] for t in search.best()) == [1, 2, 3, 4, 6, 7, 8, 9]


def test_the_values_of_several_objectives_are_of_one_epoch() -> None:
    search = oracle(objective=["loss", "params"], max_trials=1)
    trial = search.create_trial("here")
    for step, (loss, params) in enumerate([(3.0, 1), (1.0, 5), (2.0, 2)]):
        search.update_trial(trial.trial_id, {"loss": loss, "params": params}, step)
    trial.status = "COMPLETED"
    search.end_trial(trial)
    assert search.study.trials[0].values == [1.0, 5.0]


def test_the_value_is_that_of_the_best_epoch_and_the_curve_is_kept() -> None:
    search = oracle(max_trials=1)
    trial = search.create_trial("here")
    for step, loss in enumerate([3.0, 1.0, 2.0]):
        search.update_trial(trial.trial_id, {"loss": loss}, step)
    trial.status = "COMPLETED"
    search.end_trial(trial)
    shown = search.get_best_trials()[0]
    assert (shown.score, shown.best_step) == (1.0, 1)
    assert [each.value for each in shown.metrics.get_history("loss")] == [[3.0], [1.0], [2.0]]


def test_a_missing_objective_is_named_with_the_nearest() -> None:
    search = oracle(objective=("val_acuracy", "max"))
    trial = search.create_trial("here")
    with pytest.raises(kt.errors.FatalValueError, match=r"'val_acuracy'; did you mean val_accuracy\?"):
        search.update_trial(trial.trial_id, {"val_accuracy": 0.5, "loss": 1.0})


def test_half_a_line_is_cut_off_before_the_next_is_written(tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    run(oracle(storage=journal, max_trials=2))
    whole = journal.read_bytes()
    journal.write_bytes(whole + b'{"op_code": 4, "worker_id"')
    run(oracle(storage=journal, max_trials=3))
    lines = journal.read_bytes().splitlines()
    assert journal.read_bytes().startswith(whole)
    assert all(json.loads(line) for line in lines)
    assert [t.state.name for t in open_study(journal).trials] == ["COMPLETE"] * 3


@pytest.mark.parametrize(
    ("content", "kept"), [(b"", b""), (b"a\n", b"a\n"), (b"a\nbc", b"a\n"), (b"abc", b""), (b"\n" + b"x" * 9000, b"\n")]
)
def test_what_follows_the_last_line_end_is_cut(content: bytes, kept: bytes, tmp_path: Path) -> None:
    file = tmp_path / "journal"
    file.write_bytes(content)
    cut_torn_line(file)
    assert file.read_bytes() == kept


def open_study(journal: Path) -> optuna.Study:
    return optuna.load_study(study_name="search", storage=open_storage(journal))


def test_a_lock_does_not_outlive_its_process(tmp_path: Path) -> None:
    journal = str(tmp_path / "journal")
    JournalFile(journal)
    program = (
        "import os, sys; from keras_neural_opt.hpo._journal import FileLock;"
        " FileLock(sys.argv[1]).acquire(); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", program, journal], check=False)
    # It would wait for ever.
    open_storage(journal).create_new_study([optuna.study.StudyDirection.MINIMIZE])


def test_the_covariance_is_the_same_without_a_pickled_state() -> None:
    def values(sampler: optuna.samplers.BaseSampler) -> list[float]:
        study = optuna.create_study(sampler=sampler)
        study.optimize(lambda t: (t.suggest_float("x", -1, 1) - 0.3) ** 2 + t.suggest_int("n", 0, 9) ** 2, 40)
        pickled = any(":optimizer" in name for t in study.trials for name in t.system_attrs)
        assert pickled != isinstance(sampler, ReplayedCmaEsSampler)
        return [value for t in study.trials for value in t.params.values()]

    theirs = values(optuna.samplers.CmaEsSampler(seed=3))
    assert values(ReplayedCmaEsSampler(seed=3)) == pytest.approx(theirs, rel=1e-9)


BAD_ARGUMENTS = [
    ({"max_trials": 0}, "OptunaOracle.max_trials must be None or an integer >= 1; received 0"),
    ({"max_trials": -1}, "max_trials must be"),
    ({"max_trials": 1.5}, "max_trials must be"),
    ({"patience": 0}, "patience must be"),
    ({"seed": -1}, "seed must be"),
    ({"seed": 2**31}, "seed must be"),
    ({"max_retries_per_trial": -1}, "max_retries_per_trial must be"),
    ({"max_consecutive_failed_trials": 0}, "max_consecutive_failed_trials must be"),
    ({"sampler": "bayes"}, r"sampler must be one of"),
    ({"sampler": "tqe"}, r"did you mean tpe\?"),
    ({"sampler": 3}, "sampler must be one of"),
    ({"pruner": "medain"}, r"did you mean median\?"),
    ({"pruner": 3}, "pruner must be one of"),
    ({"objective": []}, "at least one objective"),
    ({"objective": 3}, "objective must be a name"),
    ({"objective": ("loss", "down")}, "objective must be a name"),
    ({"objective": "unheard_of"}, 'must say whether more is better: .*"min"'),
    ({"objective": ["loss", "loss"]}, "each objective once"),
    ({"hyperparameters": "x"}, "search_space must be a list"),
]


@pytest.mark.parametrize(("arguments", "error"), BAD_ARGUMENTS, ids=[str(a) for a, _ in BAD_ARGUMENTS])
def test_bad_arguments_are_refused(arguments: dict, error: str) -> None:
    with pytest.raises(ValueError, match=error):
        oracle(**arguments)


def test_what_breaks_a_limit_is_not_among_the_best() -> None:
    search = oracle(constraints={"params": ("<=", 5), "accuracy": (">=", 0.2)}, max_trials=25, sampler="auto")
    while (trial := search.create_trial("here")).status != "STOPPED":
        x, n = trial.hyperparameters["x"], trial.hyperparameters["n"]
        metrics = {"loss": -n + x**2, "params": n, "accuracy": abs(x)}
        trial.status = search.update_trial(trial.trial_id, metrics, final=True).status.replace("RUNNING", "COMPLETED")
        search.end_trial(trial)
    values = [t.hyperparameters.values for t in search.get_best_trials(25)]
    assert 1 <= len(values) < 25
    assert all(v["n"] <= 5 and abs(v["x"]) >= 0.2 for v in values)
    assert values[0]["n"] == 5
    later = [t.params["n"] for t in search.study.trials[15:]]
    assert sum(n <= 5 for n in later) > len(later) / 2


def test_an_earlier_search_is_learnt_from_and_counts_as_none_of_ours(tmp_path: Path) -> None:
    pairs = [({"x": x, "n": 3, "c": "b", "unknown": 1}, x**2) for x in np.linspace(-1, 1, 12)]
    for _ in range(2):
        search = oracle(storage=tmp_path / "journal", max_trials=5, sampler="auto", pruner=None)
        search.learn_from(pairs)
        found = run(search)
    assert len(search.study.trials) == 17
    assert len(search.best()) == 5
    assert found == []
    assert min(t.value for t in search.best()) < 0.02
    with pytest.raises(ValueError, match="warm_start must be a SearchResult"):
        search.learn_from(3)
    with pytest.raises(ValueError, match="warm_start must be a KerasTuner project"):
        search.learn_from(tmp_path)
    with pytest.raises(ValueError, match=r"warm_start must have values of \['c', 'n', 'x'\]"):
        oracle().learn_from([({"y": 1}, 2.0)])


@pytest.mark.parametrize("bad", [3, {"params": 3}, {"params": ("<", 3)}, {"params": ("<=", "3")}, {1: ("<=", 3)}])
def test_bad_limits_are_refused(bad: object) -> None:
    with pytest.raises(ValueError, match=r"OptunaOracle\.constraints must be a mapping"):
        oracle(constraints=bad)


def test_optunas_own_tools_know_the_names_of_the_objectives() -> None:
    assert OptunaOracle("val_loss").study.metric_names == ["val_loss"]
    assert OptunaOracle(["loss", "params"]).study.metric_names == ["loss", "params"]
