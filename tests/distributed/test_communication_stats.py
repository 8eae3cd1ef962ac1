"""What is said of communication: by real processes, and by several devices of one."""

import json
import os
from pathlib import Path

import keras
import numpy as np
import pytest

import keras_neural_opt as kno
from keras_neural_opt import compression as kc
from keras_neural_opt.cli import main
from keras_neural_opt.distributed import CommunicationStats, DistributedOptimizer
from keras_neural_opt.training import TrainingState

BACKEND = keras.backend.backend()
SCRIPT = str(Path(__file__).with_name("communicate.py"))
ELEMENTS, STEPS = 16 * 32 + 32 + 32, 4
# Beside gradients: whether all are finite, and on torch which of the three variables have one.
FLAGS = 1 + (3 if BACKEND == "torch" else 0)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> list[dict]:
    """Return what two processes have written."""
    folder = tmp_path_factory.mktemp("communicated")
    command = ["launch", "--nproc", "2", "--backend", BACKEND, "--timeout", "500", SCRIPT, str(folder)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
        flags = [flag for flag in os.environ["XLA_FLAGS"].split() if "device_count" not in flag]
        patch.setenv("XLA_FLAGS", " ".join(flags))
        assert main(command) == 0
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in range(2)]


@pytest.mark.slow
def test_bytes_are_those_of_the_formulas(found: list[dict]) -> None:
    for own in found:
        for name, each in (("PowerSGD", 4 * (2 * (16 + 32) + 32 + 32)), ("none", 4 * ELEMENTS)):
            history = own[name]["history"]
            assert history["steps"] == [STEPS] * 2
            assert history["bytes_sent"] == [STEPS * (each + FLAGS)] * 2
            assert history["float32_bytes"] == [STEPS * 4 * ELEMENTS] * 2
        assert own["none"]["history"]["residual_norm"] == [None, None]


@pytest.mark.slow
def test_a_training_that_is_watched_is_the_same_to_the_last_bit(found: list[dict]) -> None:
    for own in found:
        assert own["PowerSGD"]["result"] == own["unwatched"]
        assert own["PowerSGD"]["compresses"]


@pytest.mark.slow
def test_all_processes_come_to_the_same_and_the_first_one_says_it(found: list[dict]) -> None:
    first, second = found
    for name, kinds in (("PowerSGD", {"compressed", "float32"}), ("none", {"float32"})):
        assert first[name]["seconds"] == second[name]["seconds"]
        assert set(first[name]["seconds"]) == kinds
        assert min(first[name]["seconds"].values()) > 0
        assert first[name]["history"] == second[name]["history"]
        assert second[name]["printed"] == ""
    assert "on this link PowerSGD" in first["PowerSGD"]["printed"]
    assert f"{2 * STEPS * (4 * (2 * (16 + 32) + 64) + FLAGS):,}" in first["PowerSGD"]["printed"]
    assert "nothing is compressed: on this link a reduction in float32" in first["none"]["printed"]


@pytest.mark.slow
def test_what_waits_is_the_root_of_the_mean_square_over_workers(found: list[dict]) -> None:
    first, second = (np.array(own["PowerSGD"]["waiting"][0]) for own in found)
    assert np.abs(first - second).max() > 1e-3
    expected = np.sqrt((np.sum(first**2) + np.sum(second**2)) / 2)
    assert found[1]["PowerSGD"]["history"]["residual_norm"][-1] == pytest.approx(expected, rel=1e-5)


@pytest.mark.slow
def test_what_loses_is_switched_off_everywhere(found: list[dict]) -> None:
    plain = found[0]["none"]["result"]["weights"]
    for own in (x["off"] for x in found):
        assert own["compresses"] == [False, False]
        assert own["weights"] == plain
        assert own["history"]["bytes_sent"] == [STEPS * (4 * ELEMENTS + FLAGS)] * 2
        assert own["history"]["residual_norm"] == [0.0, 0.0]
    assert "on this link Slow loses: " in found[0]["off"]["printed"]
    assert "a step; it is switched off" in found[0]["off"]["printed"]


@pytest.mark.slow
def test_a_step_that_is_compiled_is_made_again_and_sends_what_waits(found: list[dict]) -> None:
    for own in (x["off"] for x in found):
        before, after = own["later"]
        assert before["residual_norm"][0] > 1e-3
        assert before["bytes_sent"] == [STEPS * (20 * 4 * ELEMENTS + FLAGS)]
        assert after["residual_norm"] == [0.0]
        assert after["bytes_sent"] == [STEPS * (4 * ELEMENTS + FLAGS)]
        assert own["later_weights"] == found[0]["off"]["later_weights"]


@pytest.mark.slow
def test_what_wins_is_switched_on(found: list[dict]) -> None:
    for own in (x["on"] for x in found):
        assert own["compresses"]
        assert not own["moved"]  # the step is the one that gets no gradient
    assert "on this link Silent wins: " in found[0]["on"]["printed"]


@pytest.mark.slow
def test_a_step_may_be_one_of_several_calls(found: list[dict]) -> None:
    for own in found:
        assert own["accumulated"]["history"]["steps"] == [STEPS // 2] * 2
        assert own["accumulated"]["history"]["float32_bytes"] == [STEPS // 2 * 4 * ELEMENTS] * 2


def train(compression: kc.Compressor | None, *callbacks: keras.callbacks.Callback) -> keras.Model:
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(8), keras.layers.Dense(1, use_bias=False)])
    model.compile(DistributedOptimizer("adam", compression), "mse")
    kno.distributed.distribute(model)
    x = np.random.default_rng(0).standard_normal((32, 4)).astype("float32")
    model.fit(x, x[:, :1], batch_size=16, epochs=2, shuffle=False, verbose=0, callbacks=list(callbacks))
    return model


@pytest.mark.slow
def test_devices_of_one_process_measure(request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]) -> None:
    if BACKEND == "torch":
        pytest.skip("torch has one device a process")
    if BACKEND == "jax":
        scope, workers = keras.distribution.DataParallel(auto_shard_dataset=False).scope(), 4
    else:
        scope, workers = request.getfixturevalue("mirrored").scope(), 2
    with scope:
        plain = train(kc.WarmUp(kc.PowerSGD(1), 1))
        stats = CommunicationStats(rounds=2)
        watched = train(kc.WarmUp(kc.PowerSGD(1), 1), stats)
        for a, b in zip(plain.weights, watched.weights, strict=True):
            assert np.array_equal(keras.ops.convert_to_numpy(a), keras.ops.convert_to_numpy(b))
    assert stats.history["float32_bytes"] == [round(2 * 8 * 48 * (workers - 1) / workers)] * 2
    assert stats.history["residual_norm"][1] > 0
    assert "on this link WarmUp(PowerSGD) " in capsys.readouterr().out


def test_one_worker_measures_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    stats = CommunicationStats(auto_off=True)
    model = train(kc.TopK(0.1), stats)
    assert (stats.seconds, stats.history["bytes_sent"]) == ({}, [0, 0])
    assert model.optimizer.compresses
    assert capsys.readouterr().out == "one worker has nobody to send gradients to\n"
    model.fit(np.zeros((16, 4)), np.zeros((16, 1)), batch_size=16, verbose=0, callbacks=[stats])
    assert stats.history["steps"] == [1]  # of the last training


def test_the_state_of_a_training_has_what_was_measured() -> None:
    stats = CommunicationStats()
    model = train(kc.Int8(), stats)
    state, before = TrainingState.capture(model, [stats]), dict(stats.history)
    stats.history = {name: [*values, 7] for name, values in stats.history.items()}
    state.restore(model, [stats])
    assert stats.history == before


def test_what_cannot_be_is_refused() -> None:
    for arguments in ({"auto_off": 1}, {"rounds": 0}):
        with pytest.raises(ValueError, match=rf"^CommunicationStats\.{next(iter(arguments))} must be "):
            CommunicationStats(**arguments)
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("adam", "mse")
    vote = kc.WarmUp(kc.SignSGD(majority_vote=True), 2)
    with pytest.raises(ValueError, match=r"^CommunicationStats\.auto_off must be False for WarmUp"):
        train(vote, CommunicationStats(auto_off=True))
    with pytest.raises(ValueError, match=r"^CommunicationStats must .* DistributedOptimizer; received one with Adam$"):
        model.fit(np.zeros((4, 2)), np.zeros((4, 1)), verbose=0, callbacks=[CommunicationStats()])


@pytest.mark.backend_free
def test_the_picture_shows_bytes_and_what_waits(tmp_path: Path) -> None:
    stats = CommunicationStats()
    with pytest.raises(ValueError, match=r"plot needs an epoch"):
        stats.plot()
    stats.history = {"steps": [4, 4], "bytes_sent": [40, 50], "float32_bytes": [400, 400], "residual_norm": [2.0, 3.0]}
    with pytest.raises(ValueError, match=r"path must end in \.svg, \.png or \.pdf"):
        stats.plot(tmp_path / "sent.txt")
    sent, waits = stats.plot(tmp_path / "sent.svg").axes
    assert (tmp_path / "sent.svg").read_text().startswith("<?xml")
    assert [list(line.get_ydata()) for line in sent.lines] == [[400, 400], [40, 50]]
    assert [list(line.get_ydata()) for line in waits.lines] == [[2.0, 3.0]]
    stats.history["residual_norm"] = [None, None]
    assert len(stats.plot().axes) == 1
