"""What `keras-neural-opt launch` does with processes, whatever they compute."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from keras_neural_opt.cli import _ranks, main

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.backend_free


@pytest.fixture
def script(tmp_path: Path):
    """Write a program and return its path."""

    def written(source: str) -> str:
        path = tmp_path / "program.py"
        path.write_text(source)
        return str(path)

    return written


def launch(*arguments: str) -> int:
    return main(["launch", "--nproc", "2", "--backend", "jax", "--timeout", "60", *arguments])


@pytest.mark.slow
def test_each_process_learns_its_place_in_the_words_of_every_engine(script, capfd: pytest.CaptureFixture[str]) -> None:
    program = script("import json, os, sys; print(json.dumps([dict(os.environ), sys.argv, sys.path[0], __name__]))")
    assert launch(program, "--nproc", "5") == 0
    lines = dict(line.split(" ", 1) for line in capfd.readouterr().out.splitlines())
    assert set(lines) == {"[0]", "[1]"}
    environments = []
    for rank in range(2):
        environment, arguments, folder, name = json.loads(lines[f"[{rank}]"])
        assert (arguments, folder, name) == ([program, "--nproc", "5"], str(Path(program).parent), "__main__")
        place = [environment[v] for v in ("RANK", "LOCAL_RANK", "WORLD_SIZE", "JAX_PROCESS_ID", "JAX_NUM_PROCESSES")]
        assert place == [str(rank), str(rank), "2", str(rank), "2"]
        assert environment["KERAS_BACKEND"] == "jax"
        assert environment["OMP_NUM_THREADS"].isdigit()
        environments.append(environment)
    config = [json.loads(environment["TF_CONFIG"]) for environment in environments]
    assert [c["task"] for c in config] == [{"type": "worker", "index": 0}, {"type": "worker", "index": 1}]
    workers = config[0]["cluster"]["worker"]
    assert config[1]["cluster"]["worker"] == workers
    assert len(set(workers)) == 2
    for environment in environments:
        assert environment["JAX_COORDINATOR_ADDRESS"] == workers[0]
        assert f"{environment['MASTER_ADDR']}:{environment['MASTER_PORT']}" == workers[0]
    assert re.fullmatch(r"127\.0\.0\.1:\d+", workers[0])


FAILURES = {
    "a status": ("sys.exit(3)", "rank 1 ended with status 3;"),
    "a message": ("sys.exit('no data')", "rank 1 ended with status 1; the others are stopped\n[1]   no data\n"),
    "an error": ("{}['x']", "rank 1 ended with status 1;"),
    "a signal": ("os.kill(os.getpid(), 9)", "rank 1 was killed by SIGKILL;"),
    # An engine may let a process wait at its exit for all others.
    "a wait at exit": (
        "import atexit; atexit.register(time.sleep, 600); sys.exit(3)",
        "rank 1 ended with status 3;",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", FAILURES)
def test_one_that_fails_stops_the_others(case: str, script, capfd: pytest.CaptureFixture[str]) -> None:
    what, said = FAILURES[case]
    program = script(f"import os, sys, time\nif os.environ['RANK'] == '0':\n    time.sleep(600)\n{what}")
    began = time.monotonic()
    assert launch(program) == 1
    assert time.monotonic() - began < 25
    assert f"keras-neural-opt: {said}" in capfd.readouterr().err


@pytest.mark.slow
def test_a_traceback_begins_in_the_script_and_its_end_is_repeated(script, capfd: pytest.CaptureFixture[str]) -> None:
    program = script("def f():\n    raise ValueError('no such luck')\n\nf()\n")
    assert main(["launch", "--nproc", "1", "--backend", "jax", program]) == 1
    printed = capfd.readouterr().err
    assert f'[0] Traceback (most recent call last):\n[0]   File "{program}", line 4, in <module>\n' in printed
    assert printed.endswith("[0]   ValueError: no such luck\n")


@pytest.mark.slow
def test_one_that_does_not_listen_is_killed_with_what_it_started(
    script, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_ranks, "_LEAVE", 0.5)
    program = script(DEAF + "if os.environ['RANK'] == '1': sys.exit(4)\ntime.sleep(600)")
    assert launch(program) == 1
    assert "rank 1 ended with status 4" in capfd.readouterr().err
    wait_until_gone(tmp_path)


@pytest.mark.slow
def test_a_launch_has_a_time_limit(script, capfd: pytest.CaptureFixture[str]) -> None:
    program = script("import os, time; time.sleep(600 * int(os.environ['RANK']))")
    assert launch("--timeout", "2", program) == 1
    assert "keras-neural-opt: --timeout is over, and ranks still ran: 1" in capfd.readouterr().err


# Each rank and a child of it, none of which ends at a signal that can be ignored.
DEAF = """
import os, pathlib, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
signal.signal(signal.SIGINT, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(600)"])
folder = pathlib.Path(__file__).parent
for pid in (os.getpid(), child.pid):
    (folder / f"pid-{pid}").touch()
while len(list(folder.glob("pid-*"))) < 4:
    time.sleep(0.05)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -signal.SIGKILL)]
)
def test_no_process_outlives_the_launcher(number: int, status: int, script, tmp_path: Path) -> None:
    # As the console script starts it, which brings no Keras; whoever starts the tests may have switched Ctrl-C off.
    source = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "sys.argv[0] = 'keras-neural-opt'\n"
        "from keras_neural_opt.cli import _ranks, main\n"
        "_ranks._LEAVE = 0.5\n"
        "status = main(['launch', '--nproc', '2', '--backend', 'jax', sys.argv[1]])\n"
        "assert 'keras' not in sys.modules\n"
        "sys.exit(status)"
    )
    command = [sys.executable, "-c", source, script(DEAF + "time.sleep(600)")]
    with subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(ROOT)}) as launcher:
        end = time.monotonic() + 60
        while len(list(tmp_path.glob("pid-*"))) < 4:
            assert launcher.poll() is None
            assert time.monotonic() < end
            time.sleep(0.05)
        launcher.send_signal(number)
        assert launcher.wait(30) == status
    wait_until_gone(tmp_path)


def wait_until_gone(folder: Path) -> None:
    pids = [path.name.removeprefix("pid-") for path in folder.glob("pid-*")]
    assert len(pids) == 4
    end = time.monotonic() + 20
    while any(is_running(pid) for pid in pids):
        assert time.monotonic() < end
        time.sleep(0.05)


def is_running(pid: str) -> bool:
    """Whether there is such a process that has not ended; who ends as an orphan may be kept as a zombie."""
    try:
        state = (Path("/proc") / pid / "stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def test_a_script_that_does_not_exist_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert launch("nowhere.py") == 1
    assert "keras-neural-opt: SCRIPT must be a Python file; received 'nowhere.py'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--nproc", "0", "x.py"], "argument --nproc: must be an integer >= 1; received 0"),
        (["--nproc", "2", "--timeout", "0", "x.py"], "argument --timeout: must be a number > 0; received 0"),
        (["--nproc", "2"], "the following arguments are required: SCRIPT"),
        (["x.py"], "the following arguments are required: --nproc"),
    ],
)
def test_bad_arguments_end_with_the_usage(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit_status:
        main(["launch", *arguments])
    assert exit_status.value.code == 2
    assert message in capsys.readouterr().err
