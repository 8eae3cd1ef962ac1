"""The benchmark of wrappers: whom it measures, and how. No test asserts a time."""

import json
from pathlib import Path

import keras
import pytest

from keras_neural_opt import benchmarks, optimizers
from keras_neural_opt.benchmarks import _added, _wrappers
from keras_neural_opt.benchmarks._shapes import MODELS

BACKEND = keras.backend.backend()
PEERS = {
    "torch": {
        "Lookahead": "pytorch_optimizer",
        "SwitchToSGD": "pytorch_optimizer",
        "Grokfast": "pytorch_optimizer",
        "ExponentialMovingAverage": "torch",
        "StochasticWeightAveraging": "torch",
        "LayerwiseLearningRate": "torch",
        "GradientAccumulation": "torch",
    },
    "jax": dict.fromkeys(
        ("Lookahead", "ExponentialMovingAverage", "LayerwiseLearningRate", "GradientAccumulation"), "optax"
    ),
    "tensorflow": {},
}[BACKEND]


@pytest.fixture(autouse=True)
def small_model(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(MODELS, "mlp", lambda: [(4, 3), (3,)])


def test_every_wrapper_is_measured():
    public = {name: getattr(optimizers, name) for name in optimizers.__all__}
    wrappers = {n for n, cls in public.items() if isinstance(cls, type) and issubclass(cls, optimizers.Wrapper)}
    # Ranger is Lookahead; WithTransforms adds what its transforms do.
    assert set(_wrappers._WRAPPERS) == wrappers - {"Wrapper", "Ranger", "WithTransforms"}


@pytest.mark.slow
def test_the_command_writes_what_wrappers_add(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    from keras_neural_opt.cli import main

    out = tmp_path / "wrappers.json"
    assert main(["bench", "wrappers", "--model", "mlp", "--rounds", "1", "--out", str(out)]) == 0
    record = json.loads(out.read_text())
    assert {row["wrapper"] for row in record["results"]} == set(_wrappers._WRAPPERS)
    for row in record["results"]:
        assert set(row) == {"wrapper", "ours", *filter(None, [PEERS.get(row["wrapper"])])}
        for who in set(row) - {"wrapper"}:
            assert row[who]["adds_ms"] == pytest.approx(row[who]["wrapped_ms"] - row[who]["bare_ms"], abs=0.002)
    assert "Lookahead" in capsys.readouterr().out


def test_what_it_adds_is_the_median_difference():
    samples = {"ours 0": {"wall": [2.0, 4.0, 9.0]}, "ours 1": {"wall": [4.0, 8.0, 10.0]}}
    assert _added._figures(samples, "ours", 2) == {"bare_ms": 2.0, "wrapped_ms": 4.0, "adds_ms": 1.0}


def test_bad_arguments_are_refused():
    with pytest.raises(ValueError, match=r"wrappers\.names must be one of"):
        benchmarks.wrappers(["Lookbehind"])
    with pytest.raises(ValueError, match=r"wrappers\.rounds must be an integer >= 1"):
        benchmarks.wrappers(rounds=0)
