"""The benchmark of gradient transforms: whom it measures, and that all of the work is done. No test asserts a time."""

import json
from pathlib import Path

import keras
import numpy as np
import pytest

from keras_neural_opt import optimizers, transforms
from keras_neural_opt.benchmarks import _transforms
from keras_neural_opt.benchmarks._shapes import MODELS, weights_and_gradients
from tests.contracts.problem import make_variables, read

BACKEND = keras.backend.backend()
PEERS = {
    "torch": {
        **dict.fromkeys(("ClipByGlobalNorm", "ClipByValue", "three that share the norm"), "torch"),
        **dict.fromkeys(("AdaptiveGradientClipping", "GradientCentralization"), "pytorch_optimizer"),
    },
    "jax": dict.fromkeys(set(_transforms._TRANSFORMS) - {"ClipByNorm", "AutoClip"}, "optax"),
    "tensorflow": {},
}[BACKEND]


@pytest.fixture(autouse=True)
def small_model(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(MODELS, "mlp", lambda: [(40, 30), (30,)])


def test_every_transform_is_measured():
    used = {type(x).__name__ for make in _transforms._TRANSFORMS.values() for x in make()}
    assert used == set(transforms.__all__) - {"GradientContext", "GradientTransform"}


@pytest.mark.parametrize("name", set(_transforms._TRANSFORMS) - {"SkipNonFinite", "GradientNoise", "AutoClip"})
def test_the_work_is_done(name: str):
    """A limit that nothing exceeds would be cheap to keep."""
    values, gradients = weights_and_gradients(MODELS["mlp"](), 0)
    variables = make_variables(values)
    optimizer = optimizers.SGD(1.0, gradient_transforms=_transforms._TRANSFORMS[name]())
    optimizer.apply([keras.ops.convert_to_tensor(g) for g in gradients], variables)
    for new, old, g in list(zip(read(variables), values, gradients, strict=True))[:1]:
        assert np.abs((old - new) - g).max() > 1e-2 * np.abs(g).max()


@pytest.mark.slow
def test_the_command_writes_what_transforms_add(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    from keras_neural_opt.cli import main

    out = tmp_path / "transforms.json"
    assert main(["bench", "transforms", "--model", "mlp", "--rounds", "1", "--out", str(out)]) == 0
    record = json.loads(out.read_text())
    assert {row["transform"] for row in record["results"]} == set(_transforms._TRANSFORMS)
    for row in record["results"]:
        assert set(row) == {"transform", "ours", *filter(None, [PEERS.get(row["transform"])])}
    assert "ClipByBlockRMS" in capsys.readouterr().out
