"""Curves of every kind, as formulas and as trainings, and what is said of them."""

import keras
import numpy as np
import pytest

from keras_neural_opt import callbacks, optimizers
from keras_neural_opt.training import diagnose

EPOCHS = np.arange(20)
FALLING = 0.1 + 2.0 * 0.75**EPOCHS
ALTERNATING = np.where(EPOCHS % 2, 0.3, -0.3)
BENT = np.abs(EPOCHS - 6.0)

# Name of the curve, training losses, validation losses, what is found.
CURVES = {
    "healthy": (FALLING, FALLING + 0.1, []),
    "healthy with little noise": (FALLING + 0.002 * ALTERNATING, None, []),
    "negative losses": (FALLING - 5.0, None, []),
    "NaN": ([2.0, 1.0, np.nan], None, ["divergence"]),
    "infinite in between": ([2.0, np.inf, 1.0], None, ["divergence"]),
    "rising": (1.0 + 0.1 * EPOCHS, None, ["divergence"]),
    "a worse first epoch alone": ([2.0, 2.1], None, ["divergence"]),
    "constant": (np.full(20, 2.3), None, ["no learning"]),
    "hardly moving": (2.3 - 1e-4 * EPOCHS, None, ["no learning"]),
    "jumping": (FALLING + ALTERNATING, None, ["high learning rate"]),
    "jumping before, calm now": (FALLING + ALTERNATING * (EPOCHS < 8), None, []),
    "standing": (np.maximum(FALLING, 0.5), None, ["plateau"]),
    "all is learned": (np.maximum(FALLING - 0.1, 0.01), None, []),
    "straight": (5.0 - 0.1 * EPOCHS, None, ["low learning rate"]),
    "straight, then bent": (0.1 + 2.0 * 0.75**EPOCHS - 0.001 * EPOCHS, None, []),
    "overfitting": (FALLING, 0.5 + 0.05 * BENT, ["overfitting"]),
    "overfitting slightly": (FALLING, np.maximum(FALLING, 0.3) + 0.001 * EPOCHS, []),
    "nothing to lose": (2.3 - 1e-4 * EPOCHS, 2.3 + 1e-4 * EPOCHS, ["no learning"]),
    "overfitting from the beginning": (FALLING, 0.5 + 0.01 * EPOCHS, ["overfitting"]),
    "both get worse": (0.5 + 0.05 * BENT, 0.6 + 0.05 * BENT, ["divergence"]),
    "standing and overfitting": (np.maximum(FALLING, 0.2) - 1e-5 * EPOCHS, 1 + BENT, ["plateau", "overfitting"]),
    "too short to say": ([2.0, 1.9, 1.8, 1.7], None, []),
}


@pytest.mark.parametrize(("losses", "validation", "expected"), CURVES.values(), ids=CURVES)
def test_curves(losses, validation, expected):
    history = {"loss": list(losses)} | ({} if validation is None else {"val_loss": list(validation)})
    findings = diagnose(history)
    assert [finding.problem for finding in findings] == expected
    assert all(finding.evidence and finding.remedy for finding in findings)


def test_evidence_has_the_numbers():
    (finding,) = diagnose({"loss": FALLING, "val_loss": 0.5 + 0.05 * BENT})
    assert finding.evidence == (
        "the validation loss was lowest, 0.5, in epoch 7 and is 1.15 in epoch 20, while the training loss fell from"
        f" {FALLING[6]:.4g} to {FALLING[-1]:.4g}"
    )
    (finding,) = diagnose({"loss": [2.0, 1.0]}, still=[f"layer_{i}/kernel" for i in range(7)])
    assert finding.evidence.endswith("layer_3/kernel, layer_4/kernel and 2 more")


def test_remedies_exist():
    """Every name of this library that a remedy calls is there."""
    import re

    import keras_neural_opt as kno

    histories = [{"loss": list(a)} | ({} if b is None else {"val_loss": list(b)}) for a, b, _ in CURVES.values()]
    remedies = " ".join(f.remedy for history in histories for f in diagnose(history, still=["dense/kernel"]))
    names = set(re.findall(r"\b(?:schedules|callbacks|transforms|layers)\.(\w+)", remedies)) | {"find_learning_rate"}
    packages = (kno, kno.schedules, kno.callbacks, kno.transforms, kno.layers)
    assert len(names) >= 8
    assert {name for name in names if not any(hasattr(package, name) for package in packages)} == set()


def test_validation_need_not_come_every_epoch():
    (finding,) = diagnose({"loss": FALLING, "val_loss": (0.5 + 0.05 * BENT)[1::2]})
    assert finding.problem == "overfitting"
    assert "lowest, 0.55, in epoch 6 and is 1.15 in epoch 20, while the training loss fell" in finding.evidence
    assert diagnose({"loss": FALLING, "val_loss": (0.5 + 0.05 * BENT)[:13]}) == []  # Nobody knows when those were.


def test_needs_losses():
    with pytest.raises(ValueError, match=r"^diagnose\.history must have losses under 'loss'; received accuracy$"):
        diagnose({"accuracy": [0.5]})


def train(rate: float, epochs: int = 24, samples: int = 512, units: int = 0, **advice):
    """Train a regression and return what the advisor found."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(samples, 10)).astype("float32")
    y = (x @ rng.normal(size=(10, 1)) + (1.0 if units else 0.1) * rng.normal(size=(samples, 1))).astype("float32")
    hidden = [keras.layers.Dense(units, "relu")] if units else []
    model = keras.Sequential([keras.Input((10,)), *hidden, keras.layers.Dense(1)])
    model.compile(optimizers.SGD(rate, momentum=0.9 if units else 0.0), "mse")
    advisor = callbacks.LossCurveAdvisor(**advice)
    held_out = {"validation_split": 0.5} if units else {}
    model.fit(x, y, batch_size=32, epochs=epochs, verbose=0, callbacks=[advisor], **held_out)
    return [finding.problem for finding in advisor.findings]


@pytest.mark.slow
def test_trainings(capsys):
    assert train(1.0) == ["divergence"]
    assert train(1e-6, verbose=0) == ["no learning"]
    assert train(1e-4) == ["low learning rate"]
    assert train(0.05) == []  # All is learned in three epochs.
    assert train(0.05, epochs=100, samples=64, units=64) == ["overfitting"]
    text = capsys.readouterr().out
    assert text.count("What the curves say") == 3


@pytest.mark.slow
def test_speaks_once_of_each_finding(capsys):
    assert train(1.0, when="epoch") == ["divergence"]
    assert capsys.readouterr().out.count("divergence") == 1


@pytest.mark.slow
def test_knows_dead_layers_from_a_monitor():
    constant = keras.initializers.Constant(-1e3)
    layers = [keras.layers.Dense(4, "relu", bias_initializer=constant, name="dead"), keras.layers.Dense(1, name="top")]
    model = keras.Sequential([keras.Input((3,)), *layers], name="net")
    model.compile(optimizers.SGD(0.01), "mse")
    monitor = callbacks.TrainingMonitor(every=1)
    advisor = callbacks.LossCurveAdvisor(monitor, verbose=0)
    x = np.random.default_rng(0).normal(size=(32, 3)).astype("float32")
    model.fit(x, x[:, :1] + 1.0, epochs=2, verbose=0, callbacks=[monitor, advisor])
    (finding,) = advisor.findings
    assert finding.problem == "dead layers"
    assert finding.evidence == "no gradient in any sample: net/dead/kernel, net/dead/bias, net/top/kernel"


def test_refuses_bad_arguments():
    for name, bad in (("monitor", "yes"), ("when", "batch"), ("verbose", 2)):
        with pytest.raises(ValueError, match=f"^LossCurveAdvisor.{name} must be .*; received {bad!r}"):
            callbacks.LossCurveAdvisor(**{name: bad})
