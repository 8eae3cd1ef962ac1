"""Two processes of each engine, connected by `initialize`."""

import time
from pathlib import Path

import keras
import pytest

from keras_neural_opt.cli import main

SCRIPT = str(Path(__file__).with_name("all_reduce.py"))
LAUNCH = ["launch", "--nproc", "2", "--backend", keras.backend.backend(), "--timeout", "400", SCRIPT]

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def one_device_a_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    monkeypatch.delenv("XLA_FLAGS")


def test_processes_add_up_their_numbers(capfd: pytest.CaptureFixture[str]) -> None:
    status = main(LAUNCH)
    printed = capfd.readouterr()
    assert status == 0, printed.err
    for rank in range(2):
        assert f"[{rank}] sum 11.0 Cluster(rank={rank}, size=2)\n" in printed.out


@pytest.mark.parametrize(
    ("how", "victim", "said"),
    [
        ("kill", 0, ["keras-neural-opt: rank 0 was killed by SIGKILL; the others are stopped"]),
        ("raise", 1, ["keras-neural-opt: rank 1 ended with status 1;", "\n[1]   ", "ValueError: no such luck\n"]),
    ],
)
def test_a_rank_that_dies_ends_those_that_wait_for_it(
    how: str, victim: int, said: list[str], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    status = main([*LAUNCH, how, str(victim), str(tmp_path)])
    returned = time.time()
    printed = capfd.readouterr().err
    assert status == 1
    verdict = printed[printed.index("keras-neural-opt:") :]
    for words in said:
        assert words in verdict
    assert returned - float((tmp_path / "ended").read_text()) < 30
