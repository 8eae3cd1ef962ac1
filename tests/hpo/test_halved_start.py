import math
from pathlib import Path

import keras
import keras_tuner as kt
import numpy as np
import pytest
from optuna.trial import TrialState

from keras_neural_opt.hpo import HalvedStart, OptunaOracle, OptunaTuner, ReportAndPrune
from keras_neural_opt.hpo import _records as records
from keras_neural_opt.hpo._standing import Watch

EPOCHS = 9
SPACE = [("x", "uniform", 0.0, 1.0)]


def curve(x: float, epoch: int) -> float:
    return (x - 0.7) ** 2 + 0.1 / (epoch + 1)


def steps_of(oracle: OptunaOracle, loss: object = curve, count: int = 10**6) -> list[tuple[float, int, int]]:
    """Search, up to `count` trials; return of each the configuration, its first epoch and where it ended."""
    steps = []
    while len(steps) < count and (trial := oracle.create_trial("here")).status != "STOPPED":
        x, begin = trial.hyperparameters["x"], trial.hyperparameters.initial_epoch
        for epoch in range(begin, EPOCHS):
            told = oracle.update_trial(trial.trial_id, {"loss": loss(x, epoch)}, epoch, epoch + 1 == EPOCHS)
            if told.status == "STOPPED":
                break
        trial.status = told.status if told.status == "STOPPED" else "COMPLETED"
        oracle.end_trial(trial)
        steps.append((x, begin, epoch + 1))
    return steps


def oracle(max_trials: int | None, space: object = SPACE, **options: object) -> OptunaOracle:
    return OptunaOracle(
        "loss",
        max_trials,
        hyperparameters=space,
        **{"seed": 1, "sampler": "random", "pruner": "halved_start", **options},
    )


@pytest.mark.backend_free
@pytest.mark.parametrize(("pruner", "start"), [("halved_start", 15), (HalvedStart(), 15), (HalvedStart(4), 4)])
def test_the_first_trials_are_paused_and_the_best_goes_on(pruner: object, start: int) -> None:
    steps = steps_of(oracle(None, pruner=pruner), count=start + 1)
    assert [(begin, end) for _, begin, end in steps[:start]] == [(0, 1)] * start
    best = min((x for x, _, _ in steps[:start]), key=lambda x: curve(x, 0))
    assert steps[start] == (best, 1, 3)


@pytest.mark.backend_free
@pytest.mark.parametrize("count", [7, 15, 17])
def test_a_trial_that_was_stopped_is_run_again_before_others_go_on(count: int) -> None:
    whole = steps_of(oracle(35))
    search = oracle(35)
    begun = steps_of(search, count=count)
    search.abandon(search.create_trial("here"))
    assert begun + steps_of(search) == whole


@pytest.mark.backend_free
def test_the_best_third_of_each_rung_goes_on_and_the_rest_of_the_search_pauses_nothing() -> None:
    search = oracle(45)
    steps = steps_of(search)
    start = steps[: 15 + 5 + 1]
    ranked = sorted((x for x, _, _ in start[:15]), key=lambda x: curve(x, 0))
    spans = {x: [(begin, end) for each, begin, end in start if each == x] for x in ranked}
    assert spans[ranked[0]] == [(0, 1), (1, 3), (3, 9)]
    assert all(spans[x] == [(0, 1), (1, 3)] for x in ranked[1:5])
    assert all(spans[x] == [(0, 1)] for x in ranked[5:])
    rest = [t for t in search.study.trials if t.number >= len(start)]
    assert len(rest) == 30
    assert {t.user_attrs.get(records.REASON) for t in rest} == {None, "pruned"}


@pytest.mark.backend_free
def test_what_cannot_be_paused_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"executions_per_trial must be 1 with successive halving"):
        OptunaTuner(lambda hp: None, oracle=oracle(50), executions_per_trial=2, directory=tmp_path)
    with pytest.raises(ValueError, match=r"pruner must be None for several objectives"):
        OptunaOracle(["loss", "params"], pruner="halved_start")


@pytest.mark.backend_free
def test_where_the_best_fails_the_next_goes_on() -> None:
    search = oracle(50, [("x", "categorical", [0.1, 0.6, 0.9])])
    assert len(steps_of(search, count=3)) == 3
    trial = search.create_trial("here")
    assert (trial.hyperparameters["x"], trial.hyperparameters.initial_epoch) == (0.6, 1)
    trial.status, trial.message = "FAILED", "bad luck"
    search.end_trial(trial)
    steps = steps_of(search)
    assert steps == [(0.9, 1, 3), (0.9, 3, 9)]
    assert search.get_best_trials()[0].hyperparameters["x"] == 0.9


@pytest.mark.backend_free
def test_a_worker_that_comes_too_late_begins_nothing_new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    space = [("x", "categorical", [0.1, 0.6, 0.9])]
    here, there = (oracle(50, space, storage=tmp_path / "journal") for _ in range(2))
    steps_of(here, count=3)
    enqueue, taken = here.study.enqueue_trial, []

    def enqueue_and_lose(*arguments: object) -> None:
        enqueue(*arguments)
        taken.append(there.create_trial("there"))

    monkeypatch.setattr(here.study, "enqueue_trial", enqueue_and_lose)
    assert here.create_trial("here").status == "STOPPED"
    assert [t.hyperparameters["x"] for t in taken] == [0.6]
    assert sum(map(records.counts, here.study.trials)) == 4


@pytest.mark.backend_free
def test_points_that_wait_have_not_begun() -> None:
    search = oracle(45)
    search.begin_with([{"x": x / 20} for x in range(15)])
    steps = steps_of(search, count=16)
    assert [(begin, end) for _, begin, end in steps[:15]] == [(0, 1)] * 15
    assert steps[15] == (0.7, 1, 3)  # The best of all, not the best of those before each.


@pytest.mark.backend_free
def test_patience_ends_a_search_of_nothing_but_divergence() -> None:
    search = oracle(None, patience=3)
    steps = steps_of(search, lambda x, epoch: math.nan if epoch else x, 200)
    # Any of the start might be sound: each goes on once, and nothing new begins.
    assert [(begin, end) for _, begin, end in steps] == [(0, 1)] * 15 + [(1, 2)] * 15
    assert len({x for x, _, _ in steps}) == 15


@pytest.mark.backend_free
def test_a_space_smaller_than_the_start_is_searched_to_the_end() -> None:
    search = oracle(50, [("x", "categorical", [0.1, 0.6, 0.9])])
    steps = steps_of(search)
    assert sorted(x for x, begin, _ in steps if begin == 0) == [0.1, 0.6, 0.9]
    assert search.get_best_trials()[0].hyperparameters["x"] == 0.6
    assert (0.6, 3, 9) in steps


@pytest.mark.backend_free
def test_patience_waits_until_one_of_the_start_is_whole() -> None:
    search = oracle(50, patience=4)
    steps_of(search)
    whole = [t.number for t in search.study.trials if t.state == TrialState.COMPLETE]
    assert whole
    assert 15 < sum(map(records.begins, search.study.trials)) < 50


@pytest.mark.backend_free
def test_a_training_that_goes_on_shows_all_of_itself_and_counts_once() -> None:
    search = oracle(45)
    steps_of(search, count=21)
    trials = search.study.trials
    (whole,) = [t for t in trials if t.state == TrialState.COMPLETE]
    x = whole.params["x"]
    assert whole.intermediate_values == {epoch: curve(x, epoch) for epoch in range(EPOCHS)}
    # 15 began, 5 went on to 3 epochs, one of them to the end.
    assert sum(map(records.epochs_of_its_own, trials)) == 15 + 5 * 2 + 6
    assert Watch(search, None).look(1, 1).epochs == 31


@pytest.mark.backend_free
def test_what_began_without_pauses_takes_no_seat_of_a_rung(tmp_path: Path) -> None:
    good = [("x", "categorical", [0.7, 0.69, 0.71]), ("y", "uniform", 0.0, 1.0)]
    steps_of(oracle(3, good, pruner=None, storage=tmp_path / "journal"))
    search = oracle(9, good, pruner="asha", storage=tmp_path / "journal")
    steps = steps_of(search, lambda x, epoch: curve(x, epoch) + 0.1 * len(search.study.trials))
    # Two of the six that can be paused go on, though three that were whole before are better.
    assert len([end for _, begin, end in steps if begin == 1]) == 2


@pytest.mark.backend_free
def test_what_diverges_in_the_start_does_not_go_on() -> None:
    steps = steps_of(oracle(45), lambda x, epoch: math.nan if x < 0.5 else curve(x, epoch))
    assert all(end == 1 for x, _, end in steps if x < 0.5)
    assert any(end == EPOCHS for _, _, end in steps)


@pytest.mark.backend_free
@pytest.mark.parametrize("count", [7, 17, 20, 30])
def test_a_search_that_is_stopped_goes_on_as_if_it_had_not_been(count: int, tmp_path: Path) -> None:
    whole = steps_of(oracle(45))
    stopped = steps_of(oracle(45, storage=tmp_path / "journal"), count=count)
    assert stopped + steps_of(oracle(45, storage=tmp_path / "journal")) == whole


@pytest.mark.backend_free
@pytest.mark.parametrize("pruner", ["halved_start", "asha"])
def test_a_trial_that_reports_its_end_alone_is_not_paused(pruner: str, tmp_path: Path) -> None:
    runs: list[float] = []

    class Number(kt.HyperModel):
        def build(self, hp: kt.HyperParameters) -> keras.Model:
            return keras.Sequential()

        def fit(self, hp: kt.HyperParameters, model: keras.Model, **kwargs: object) -> float:
            runs.append(hp.Float("x", 0.0, 1.0))
            return runs[-1]

    tuner = OptunaTuner(Number(), max_trials=9, pruner=pruner, sampler="random", directory=tmp_path, seed=1)
    tuner.search(verbose=0)
    assert len(runs) == len(set(runs)) == len(tuner.oracle.get_best_trials(20)) == 9


@pytest.mark.backend_free
def test_bad_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match=r"HalvedStart.first must be an integer >= 1; received 0"):
        HalvedStart(0)


@pytest.mark.slow
def test_a_training_that_ends_by_itself_at_a_rung_is_whole(tmp_path: Path) -> None:
    class Ends(keras.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
            self.model.stop_training = epoch == 2

    x = np.ones((8, 1), "float32")
    tuner = OptunaTuner(
        lambda hp: line(hp.Float("rate", 0.01, 0.1)),
        "loss",
        3,
        sampler="random",
        pruner=HalvedStart(3),
        directory=tmp_path,
    )
    tuner.search(x, x, epochs=9, verbose=0, callbacks=[Ends()])
    assert [t.state.name for t in tuner.oracle.study.trials] == ["PRUNED"] * 3 + ["COMPLETE"]


def line(rate: float) -> keras.Model:
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(rate), "mse")
    return model


def test_a_loop_of_ones_own_needs_to_set_the_model_alone() -> None:
    search = OptunaOracle("loss", 1)
    report = ReportAndPrune(search, search.create_trial("here"))
    report.set_model(line(0.1))
    report.on_epoch_end(0, {"loss": 1.0})
    assert search.study.trials[0].intermediate_values == {0: 1.0}


@pytest.mark.slow
def test_real_trainings_are_paused_and_go_on(tmp_path: Path) -> None:
    def build(hp: kt.HyperParameters) -> keras.Model:
        model = keras.Sequential([keras.Input((2,)), keras.layers.Dropout(0.2), keras.layers.Dense(1)])
        model.compile(keras.optimizers.Adam(hp.Float("rate", 1e-3, 1.0, sampling="log")), "mse")
        return model

    x = np.random.default_rng(0).normal(size=(32, 2)).astype("float32")
    data = {"x": x, "y": x.sum(1, keepdims=True)}
    tuner = OptunaTuner(build, "loss", 9, sampler="random", pruner=HalvedStart(3), seed=1, directory=tmp_path)
    tuner.search(**data, epochs=3, verbose=0)
    trials = tuner.oracle.study.trials
    assert [t.last_step for t in trials[:4]] == [0, 0, 0, 2]
    assert trials[3].intermediate_values[0] == min(t.intermediate_values[0] for t in trials[:3])
    # Only what may go on is kept.
    assert {int(file.parent.name.removeprefix("trial_")) for file in tmp_path.rglob("state.npz")} == {0, 1, 2}
    plain = OptunaTuner(build, "loss", 9, sampler="random", pruner=None, seed=1, directory=tmp_path / "plain")
    plain.search(**data, epochs=3, verbose=0)
    same = next(t for t in plain.oracle.study.trials if t.params == trials[3].params)
    assert trials[3].intermediate_values[2] == same.intermediate_values[2]
