import time
from pathlib import Path
from types import SimpleNamespace

import optuna
import pytest
from optuna.trial import TrialState

from keras_neural_opt.hpo import OptunaOracle
from keras_neural_opt.hpo import _records as records
from keras_neural_opt.hpo._heartbeat import GRACE, Observer, Pulse
from keras_neural_opt.hpo._journal import open_storage
from keras_neural_opt.hpo._lost import bury, fail

ELSEWHERE = {"host": "another machine", "pid": 1, "started": "0"}


def running(number: int, beat: int | None, owner: dict | None = ELSEWHERE) -> SimpleNamespace:
    return SimpleNamespace(number=number, user_attrs={records.OWNER: owner, records.BEAT: beat})


def looks(observer: Observer, beats: list, seconds: float) -> list[bool]:
    return [bool(observer.lost([running(0, beat)], i * seconds)) for i, beat in enumerate(beats)]


def test_what_beats_is_never_lost() -> None:
    assert not any(looks(Observer(), list(range(100)), 5.0))


def test_silence_for_the_grace_is_lost_and_a_beat_begins_it_anew() -> None:
    found = looks(Observer(), [1, 1, 1, 1, 2, 2, 2, 2, 2, 2], 5.0)
    assert found == [False] * 9 + [True]
    assert looks(Observer(), [None] * 6, 5.0) == [False] * 5 + [True]


def test_what_nobody_owns_is_lost_before_what_somebody_does() -> None:
    # Its process was killed between asking for it and saying so.
    observer, unowned = Observer(), SimpleNamespace(number=0, user_attrs={})
    assert [bool(observer.lost([unowned], 1.5 * i)) for i in range(3)] == [False, False, True]


def test_an_observer_that_slept_does_not_bury_the_others() -> None:
    observer = Observer()
    assert not observer.lost([running(0, 1)], 0.0)
    assert not observer.lost([running(0, 1)], 1e6)
    assert not observer.lost([running(0, 2)], 1e6 + 5)


def oracle(storage: object, **options: object) -> OptunaOracle:
    space = [("x", "uniform", 0.0, 1.0)]
    return OptunaOracle("loss", 3, "random", hyperparameters=space, seed=1, storage=storage, **options)


@pytest.mark.parametrize("database", ["{}/journal", "sqlite:///{}/study.db"])
def test_a_pulse_beats_until_the_trial_ends(database: str, tmp_path: Path) -> None:
    study = optuna.create_study(storage=open_storage(database.format(tmp_path)))
    trial = study.ask()
    pulse = Pulse(study, trial._trial_id, 0.02)
    wait_until(lambda: (study.trials[0].user_attrs.get(records.BEAT) or 0) >= 2)
    assert not pulse.refused
    fail(study, study.trials[0], "written off")
    wait_until(lambda: pulse.refused)
    another = study.ask()
    pulse = Pulse(study, another._trial_id, 0.02)
    wait_until(lambda: study.trials[1].user_attrs.get(records.BEAT))
    pulse.stop()
    time.sleep(0.1)
    beats = study.trials[1].user_attrs[records.BEAT]
    time.sleep(0.1)
    assert study.trials[1].user_attrs[records.BEAT] == beats


def wait_until(done: object, seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.mark.parametrize("when", ["before the report", "before the end"])
def test_a_late_result_is_refused_and_its_search_goes_on(when: str, tmp_path: Path) -> None:
    woken, other = oracle(tmp_path / "journal"), oracle(tmp_path / "journal")
    trial = woken.create_trial("woken")
    if when == "before the end":
        assert woken.update_trial(trial.trial_id, {"loss": 1.0}).status == "RUNNING"
    bury(other.study, other.study.trials[0], 2)
    if when == "before the report":
        assert woken.update_trial(trial.trial_id, {"loss": 1.0}).status == "STOPPED"
    trial.status = "COMPLETED"
    woken.end_trial(trial)
    lost, again = other.study.trials
    assert (lost.state, records.counts(lost)) == (TrialState.FAIL, False)
    assert again.state == TrialState.WAITING
    assert woken.create_trial("woken").trial_id == "0001"
    assert other.study.trials[1].params == lost.params


def test_what_was_given_to_run_is_not_forgotten_by_one_that_ends_at_once(tmp_path: Path) -> None:
    search = oracle(tmp_path / "journal")
    search.begin_with([{"x": 0.25}])
    search.study.ask()
    bury(search.study, search.study.trials[0], 2)
    assert search.create_trial("next").hyperparameters.values == {"x": 0.25}


def test_a_second_death_is_a_failure_that_counts(tmp_path: Path) -> None:
    search = oracle(tmp_path / "journal")
    for _ in range(2):
        search.create_trial("dies")
        bury(search.study, search.study.trials[-1], 2)
    first, second = search.study.trials
    assert [records.counts(t) for t in (first, second)] == [False, True]
    assert second.user_attrs[records.REASON] == "its process ended in each of 2 runs"
    assert second.user_attrs[records.RERUN_OF] == [0]
    assert search.remaining_trials() == 2


def test_a_trial_of_a_silent_machine_is_run_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    far, near = oracle(tmp_path / "journal"), oracle(tmp_path / "journal")
    monkeypatch.setattr("keras_neural_opt.hpo._oracle.this_process", lambda: ELSEWHERE)
    far.create_trial("far")
    monkeypatch.undo()
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr("keras_neural_opt.hpo._oracle.time", SimpleNamespace(monotonic=lambda: clock.now))
    assert near.bury_the_lost() == []
    assert near.is_awaited()
    for _ in range(3):
        clock.now += GRACE / 2
        found = near.bury_the_lost()
    assert [t.number for t in found] == [0]
    assert not near.is_awaited()
    assert near.create_trial("near").hyperparameters.values == far.trials["0000"].hyperparameters.values
