import os
import signal
import subprocess
import sys
import time

import pytest

from keras_neural_opt._core.files import CorruptStateError, write_atomic


def test_writes_text_and_bytes(tmp_path):
    path = tmp_path / "report.html"
    assert write_atomic(path, "é") == path
    assert path.read_bytes() == "é".encode()
    write_atomic(path, b"\x00\x01")
    assert path.read_bytes() == b"\x00\x01"
    assert os.listdir(tmp_path) == ["report.html"]


def test_a_new_file_has_the_usual_permissions(tmp_path):
    usual = tmp_path / "usual"
    usual.write_text("")
    assert write_atomic(tmp_path / "ours", "").stat().st_mode == usual.stat().st_mode


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_failure_keeps_the_old_file_and_leaves_nothing_behind(tmp_path, monkeypatch, step):
    path = tmp_path / "state"
    write_atomic(path, "old")

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, step, fail)
    with pytest.raises(OSError, match="No space"):
        write_atomic(path, "new")
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["state"]


@pytest.mark.slow
def test_a_killed_writer_leaves_a_whole_file(tmp_path):
    path = tmp_path / "state"
    program = (
        "import sys, itertools; from keras_neural_opt._core.files import write_atomic\n"
        "for i in itertools.count(): write_atomic(sys.argv[1], str(i % 10) * 1_000_000)"
    )
    for _ in range(3):
        writer = subprocess.Popen([sys.executable, "-c", program, str(path)])
        deadline = time.monotonic() + 60
        before = path.stat().st_mtime_ns if path.exists() else 0
        while not (path.exists() and path.stat().st_mtime_ns != before):
            assert time.monotonic() < deadline, "the writer never wrote"
            time.sleep(0.01)
        time.sleep(0.05)
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        content = path.read_text()
        assert len(content) == 1_000_000
        assert len(set(content)) == 1


def test_corrupt_state_says_what_why_and_what_to_do():
    error = CorruptStateError("a.npz", "it is empty", "Train again.")
    assert str(error) == "a.npz: it is empty. Train again."
    assert isinstance(error, ValueError)
    assert (error.path, error.reason, error.remedy) == ("a.npz", "it is empty", "Train again.")
