import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import keras
import keras_tuner as kt
import optuna
import pytest

from keras_neural_opt._core.devices import accelerators, environment, environment_of
from keras_neural_opt.benchmarks._search_kills import tuner_in
from keras_neural_opt.benchmarks._search_models import Bowl, Faulty
from keras_neural_opt.hpo import OptunaOracle, OptunaTuner
from keras_neural_opt.hpo import _records as records


def lines_of(tuner: OptunaTuner) -> dict[float, tuple[str, str | None]]:
    """Return state and reason of each configuration's run that counts."""
    trials = [t for t in tuner.oracle.study.trials if records.counts(t)]
    return {t.params["x"]: (t.state.name, t.user_attrs.get(records.REASON)) for t in trials}


@pytest.mark.slow
@pytest.mark.backend_free
def test_each_fault_is_a_failed_trial_and_the_search_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    points = [{"x": x} for x in (0.7, 0.95, 0.5, 0.8, 0.1, 0.3)]
    model = Faulty(tmp_path / "notes")
    tuner = tuner_in(tmp_path, model, len(points), space=[("x", "uniform", 0.0, 1.0)], trial_timeout=20.0)
    tuner.oracle.begin_with(points)
    tuner.search(workers=2)
    printed = capsys.readouterr().out
    assert len(re.findall("^trial [0-9]+ ", printed, re.MULTILINE)) >= len(points)
    assert "OSError: no such luck" in printed
    assert lines_of(tuner) == {
        0.1: ("FAIL", "its process ended in each of 2 runs"),
        0.3: ("FAIL", "the trial took longer than trial_timeout=20.0 seconds"),
        0.5: ("FAIL", "OSError: no such luck"),
        0.7: ("COMPLETE", None),
        0.8: ("COMPLETE", None),
        0.95: ("COMPLETE", None),
    }
    again = next(run for runs in model.runs().values() for run in runs if run[2] == 0.95)
    assert again[0] - float((tmp_path / "killed").read_text()) < 60
    assert len(tuner.oracle.study.trials) == len(points) + 2


SCRIPT = """
import os, time
import keras, keras_tuner as kt
class Slow(kt.HyperModel):
    def build(self, hp):
        hp.Float("x", 0.0, 1.0)
        return keras.Sequential()
    def fit(self, hp, model, **kwargs):
        open(f"{os.path.dirname(os.path.abspath(__file__))}/pid-{os.getpid()}", "w").close()
        time.sleep(600)
        return hp["x"]
"""


@pytest.mark.backend_free
@pytest.mark.slow
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGKILL, -9)])
def test_no_worker_outlives_its_parent(number: int, status: int, tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(SCRIPT)
    # Whoever starts the tests in the background may have switched Ctrl-C off.
    listen = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    program = f"{listen}; import sys; from keras_neural_opt.cli import main; sys.exit(main(sys.argv[1:]))"
    arguments = ["tune", f"{tmp_path}/slow.py:Slow", "--objective", "default_objective:min", "--workers", "1"]
    command = [sys.executable, "-c", program, *arguments, "--method", "random", "--directory", str(tmp_path)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=with_this_package()) as parent:
        while not (found := list(tmp_path.glob("pid-*"))):
            assert parent.poll() is None
            time.sleep(0.05)
        parent.send_signal(number)
        try:
            errors = parent.communicate(timeout=60)[1]
        finally:
            parent.kill()
    assert parent.returncode == status
    wait_until_gone(int(found[0].name.removeprefix("pid-")))
    oracle = OptunaOracle(("default_objective", "min"), storage=tmp_path / "search" / "study.journal")
    assert oracle.create_trial("next").trial_id == "0001"
    first, second = oracle.study.trials
    assert second.params == first.params
    if number == signal.SIGINT:
        assert "stopped: the same command goes on where it was" in errors
        assert first.user_attrs[records.REASON] == "stopped"


def with_this_package() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "KERAS_BACKEND": keras.backend.backend()}


def wait_until_gone(pid: int) -> None:
    end = time.monotonic() + 20
    while Path(f"/proc/{pid}").exists():
        assert time.monotonic() < end
        time.sleep(0.05)


class Local(kt.HyperModel):
    """Holds what no other process can have."""

    def __init__(self) -> None:
        super().__init__()
        self.lock = threading.Lock()

    def build(self, hp: object) -> object:
        return keras.Sequential()


def _at_a_prompt(hp: object) -> object:
    return keras.Sequential()


_at_a_prompt.__module__ = "__main__"


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (lambda hp: keras.Sequential(), "where the hypermodel cannot be sent"),
        (Local(), "cannot pickle '_thread.lock' object"),
        (_at_a_prompt, "_at_a_prompt is defined in a notebook or at a prompt"),
    ],
)
def test_what_cannot_be_sent_is_refused_before_anything_starts(
    model: object, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("keras_neural_opt.hpo._sent.get_preparation_data", lambda name: {})
    tuner = tuner_in(tmp_path, model, 2)
    with pytest.raises(ValueError, match=f"{message}.*`keras-neural-opt worker SCRIPT:build`"):
        tuner.search(workers=2, verbose=0)
    assert tuner.oracle.study.trials == []


def test_a_study_in_memory_has_no_workers(tmp_path: Path) -> None:
    tuner = tuner_in(tmp_path, Bowl(tmp_path / "notes"), 2, storage=optuna.storages.InMemoryStorage())
    with pytest.raises(ValueError, match="workers must be None where the storage is this process's memory"):
        tuner.search(workers=2, verbose=0)


def test_workers_must_be_a_number(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"OptunaTuner.search.workers must be None or an integer >= 1; received 0"):
        tuner_in(tmp_path, Bowl(tmp_path), 2).search(workers=0)


def test_a_second_search_is_refused_unless_it_joins(tmp_path: Path) -> None:
    first, second = (tuner_in(tmp_path, Bowl(tmp_path / "notes"), 3) for _ in range(2))
    with first.project.alone():
        with pytest.raises(RuntimeError, match="another search is at work"):
            second.search(verbose=0)
        assert second.oracle.study.trials == []
        second.search(join=True, verbose=0)
    assert len(second.oracle.study.trials) == 3


def test_processors_are_divided_and_accelerators_go_round(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OMP_NUM_THREADS", "XLA_FLAGS", "NPROC"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: range(8))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2, 5")
    four = [environment_of(place, 4) for place in range(4)]
    assert [each["CUDA_VISIBLE_DEVICES"] for each in four] == ["2", "5", "2", "5"]
    assert [each["OMP_NUM_THREADS"] for each in four] == ["2"] * 4
    assert four[0]["XLA_PYTHON_CLIENT_PREALLOCATE"] == "false"
    assert "XLA_PYTHON_CLIENT_PREALLOCATE" not in environment_of(0, 2)
    assert environment_of(0, 8)["XLA_FLAGS"] == "--xla_cpu_multi_thread_eigen=false"
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert "OMP_NUM_THREADS" not in environment_of(0, 8)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    monkeypatch.setenv("PATH", "")
    assert accelerators() == []
    assert "CUDA_VISIBLE_DEVICES" not in environment_of(0, 2)


def test_an_environment_is_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KNO_A", "old")
    monkeypatch.delenv("KNO_B", raising=False)
    with environment({"KNO_A": "new", "KNO_B": "new"}):
        assert (os.environ["KNO_A"], os.environ["KNO_B"]) == ("new", "new")
    assert os.environ["KNO_A"] == "old"
    assert "KNO_B" not in os.environ
