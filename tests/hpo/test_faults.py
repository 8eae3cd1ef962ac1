import os
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from optuna.trial import TrialState

from keras_neural_opt.benchmarks._search_kills import kill_workers, light_process, search_jointly, tuner_in
from keras_neural_opt.benchmarks._search_models import Bowl
from keras_neural_opt.hpo import _records as records
from keras_neural_opt.hpo._heartbeat import Observer

pytestmark = [pytest.mark.slow, pytest.mark.backend_free]


def test_killed_workers_lose_a_trial_each_at_most_and_delay_nobody(tmp_path: Path) -> None:
    damage = kill_workers(tmp_path, kills=4)
    assert damage["resumed"]
    assert damage["most_lost_at_once"] <= 1
    assert damage["lost"] <= 4 + 2
    assert damage["lost_and_not_run_again"] == damage["still_running"] == 0
    assert damage["longest_standstill_seconds"] < 20  # Nobody waits for a grace to end. The benchmark has the figure.


def wait_until(done: object, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end
        time.sleep(0.02)


def sleep_long(folder: Path) -> None:
    """Search with trials of two seconds; the target of a process."""
    tuner_in(folder, Bowl(folder / "notes", 2.0), 3).search(join=True, verbose=0)


def test_a_stopped_process_that_wakes_is_refused_and_goes_on(tmp_path: Path) -> None:
    tuner = tuner_in(tmp_path, Bowl(tmp_path / "notes"), 3)
    study = tuner.oracle.study
    sleeper = light_process(sleep_long, tmp_path)
    wait_until(lambda: (tmp_path / "notes" / str(sleeper.pid)).exists())
    os.kill(sleeper.pid, signal.SIGSTOP)
    tuner.oracle._observer = Observer(grace=1.0)
    wait_until(tuner.oracle.bury_the_lost)
    os.kill(sleeper.pid, signal.SIGCONT)
    sleeper.join(60)
    assert sleeper.exitcode == 0
    states = [(t.state, records.counts(t)) for t in study.trials]
    assert states == [(TrialState.FAIL, False), *[(TrialState.COMPLETE, True)] * 3]
    assert study.trials[1].params == study.trials[0].params


def trials_in(folder: Path, address: str) -> list:
    """Return the trials of a study in a database, and leave no connection open."""
    study = tuner_in(folder, Bowl(folder / "notes"), None, storage=address).oracle.study
    trials = study.trials
    study._storage.remove_session()
    study._storage._backend.engine.dispose()
    return trials


@pytest.fixture
def database(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a PostgreSQL of this test's own."""
    pgserver = pytest.importorskip("pgserver", reason="pgserver, a PostgreSQL, is not installed")
    pytest.importorskip("psycopg")
    # Not pytest's folder: where this user is root the server's is another one, who has no way into it.
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        monkeypatch.setenv("XDG_RUNTIME_DIR", folder)
        try:
            server = pgserver.get_server(Path(folder) / "database")
        except Exception as error:
            pytest.skip(f"PostgreSQL does not start here: {error}")
        with server:
            yield server.get_uri().replace("postgresql://", "postgresql+psycopg://")


def test_two_workers_share_a_database(database: str, tmp_path: Path) -> None:
    assert trials_in(tmp_path, database) == []
    team = [light_process(search_jointly, tmp_path, 30, database) for _ in range(2)]
    for process in team:
        process.join(100)
    assert [process.exitcode for process in team] == [0, 0]
    finished = [t for t in trials_in(tmp_path, database) if records.counts(t)]
    assert len({t.params["x"] for t in finished}) == len(finished) == 30
    assert {t.user_attrs[records.OWNER]["pid"] for t in finished} == {process.pid for process in team}
