"""The benchmark of what compression costs: its workers, record, picture and command."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest

from keras_neural_opt import benchmarks
from keras_neural_opt._core.files import CorruptStateError
from keras_neural_opt.benchmarks import _compression_accuracy
from keras_neural_opt.benchmarks._compression_settings import NAMES, WITHOUT_FEEDBACK
from keras_neural_opt.cli import main
from tests.benchmarks import two_workers

ROOT = Path(__file__).resolve().parents[2]
RECORD = ROOT / "docs" / "benchmarks" / "compression_accuracy.json"
on_jax = pytest.mark.skipif(keras.backend.backend() != "jax", reason="it runs on JAX")
KILLED = """
import os, signal, sys
from keras_neural_opt.cli._devices import split_processor
split_processor(4)
from tests.benchmarks import two_workers
from keras_neural_opt.benchmarks import compression_accuracy
two_workers.make_small(setattr)
done = []
def advance():
    done.append(None)
    if len(done) == 4:
        os.kill(os.getpid(), signal.SIGKILL)
compression_accuracy(sys.argv[1], seeds=2, advance=advance)
"""


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    two_workers.make_small(monkeypatch.setattr)


@pytest.fixture
def without_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave processes that a test starts the devices that they ask for; this one has its own."""
    keras.distribution.list_devices()
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    others = [flag for flag in os.environ["XLA_FLAGS"].split() if "device_count" not in flag]
    monkeypatch.setenv("XLA_FLAGS", " ".join(others))


def _task(record: dict) -> dict:
    return record["tasks"]["digits"]


@on_jax
@pytest.mark.slow
@pytest.mark.usefixtures("small", "without_devices")
def test_what_was_killed_goes_on_with_the_runs_that_it_lacks(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    killed = subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False, cwd=ROOT)
    assert killed.returncode == -signal.SIGKILL
    before = _task(json.loads(path.read_text()))["runs"]
    assert [(run["seed"], run["contestant"]) for run in before] == [
        *((0, name) for name in ("none", "int8", "top-k, no feedback")),
        (1, "none"),
    ]
    marked = json.loads(path.read_text())
    _task(marked)["runs"][0]["loss"] = -1.0  # so that a run that is made again shows
    path.write_text(json.dumps(marked))
    advanced: list[None] = []
    record = benchmarks.compression_accuracy(path, seeds=2, advance=lambda: advanced.append(None))
    assert len(advanced) == _compression_accuracy.runs_of((), 2) == 6
    runs = _task(record)["runs"]
    assert runs[:4] == _task(marked)["runs"]
    assert [(run["seed"], run["contestant"]) for run in runs[4:]] == [(1, "int8"), (1, "top-k, no feedback")]
    assert {**record, "environment": benchmarks.environment()} == json.loads(path.read_text())


@on_jax
@pytest.mark.slow
@pytest.mark.usefixtures("small")
def test_the_command_shows_differences_of_the_same_seed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "new" / "record.json"
    arguments = ["--task", "digits", "--seeds", "2", "--out", str(path)]
    assert main(["bench", "compression-accuracy", "--backend", "jax", *arguments]) == 0
    assert "difference in points, bound 50" in capsys.readouterr().out
    task = _task(json.loads(path.read_text()))
    scores = {(run["contestant"], run["seed"]): run["score"] for run in task["runs"]}
    rows = {row["contestant"]: row for row in task["results"]}
    differences = [scores["int8", seed] - scores["none", seed] for seed in range(2)]
    assert rows["int8"]["difference"] == pytest.approx(np.mean(differences), abs=1e-5)
    # Of two numbers Student's interval is as wide as 12.7062 times their distance, whose half is their standard error.
    low, high = rows["int8"]["interval"]
    assert high - low == pytest.approx(12.7062 * abs(differences[0] - differences[1]), abs=1e-4)
    assert rows["int8"]["bytes_per_step"] < 0.3 * rows["none"]["bytes_per_step"]
    assert "interval" not in rows["none"]
    figure = benchmarks.compression_accuracy_figure({"tasks": {"digits": task}})
    (panel,) = figure.axes
    assert [label.get_text() for label in panel.get_yticklabels()] == ["int8", "top-k, no feedback"]


@on_jax
@pytest.mark.usefixtures("small")
def test_other_settings_are_refused_and_the_file_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, setting = tmp_path / "record.json", two_workers.tiny()
    described = setting.described("scikit-learn's digits")
    path.write_text(json.dumps({"tasks": {"digits": {"settings": described, "runs": []}}}))
    before = path.read_bytes()
    other = replace(setting, rate=0.2, task=replace(setting.task, batch=32))
    monkeypatch.setattr(_compression_accuracy, "SETTINGS", {"digits": other})
    with pytest.raises(CorruptStateError, match=r"runs of digits have other settings: batch, learning_rate\. Give"):
        benchmarks.compression_accuracy(path)
    path.write_text("{}")
    with pytest.raises(CorruptStateError, match=r"no record of compression_accuracy"):
        benchmarks.compression_accuracy(path)
    path.write_bytes(before)
    with pytest.raises(ValueError, match=r"compression_accuracy.tasks must be"):
        benchmarks.compression_accuracy(path, ["digit"])
    assert path.read_bytes() == before


@pytest.mark.backend_free
def test_it_runs_on_jax_alone() -> None:
    with pytest.raises(RuntimeError, match=r"runs on JAX only; Keras runs on torch"):
        benchmarks.compression_accuracy("nowhere.json")


@pytest.mark.backend_free
def test_the_interval_is_students() -> None:
    assert _compression_accuracy.paired_interval([1.0]) is None
    # 2.776 standard errors of five numbers, each of which is the root of a half.
    assert _compression_accuracy.paired_interval([1.0, 2.0, 3.0, 4.0, 5.0]) == pytest.approx((1.0367, 4.9633), abs=1e-4)


@on_jax
@pytest.mark.slow
@pytest.mark.usefixtures("without_devices")
def test_devices_of_one_process_are_as_real_processes(tmp_path: Path) -> None:
    devices = keras.distribution.list_devices()[:2]
    with keras.distribution.DataParallel(devices=devices, auto_shard_dataset=False).scope():
        expected = two_workers.weights_of_all()
    file = tmp_path / "weights.json"
    script = str(Path(two_workers.__file__))
    assert main(["launch", "--nproc", "2", "--backend", "jax", "--timeout", "500", script, str(file)]) == 0
    found = json.loads(file.read_text())
    assert list(found) == list(two_workers.NAMES)
    for name in two_workers.NAMES:
        assert np.abs(np.subtract(found[name], expected[name])).max() < 1e-6, name
        if name != "none":
            assert np.abs(np.subtract(expected[name], expected["none"])).max() > 1e-5, name


@pytest.mark.backend_free
def test_the_committed_record_holds_what_the_page_says() -> None:
    missed = set()
    for name, task in json.loads(RECORD.read_text())["tasks"].items():
        assert [row["contestant"] for row in task["results"]] == list(NAMES)
        for row in task["results"]:
            assert row["seeds"] == 5
            if row["contestant"] == WITHOUT_FEEDBACK:  # visibly worse
                low, high = row["interval"]
                assert high < 0.0 if task["settings"]["metric"] == "accuracy" else low > 0.0
            elif not row.get("inside", True):
                missed.add((name, row["contestant"]))
    assert missed == {("cifar10", "top-k"), ("shakespeare", "top-k"), ("shakespeare", "PowerSGD")}
