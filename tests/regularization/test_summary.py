"""The summary says what the optimizer does: each row is checked against a step."""

import keras
import numpy as np
import pytest

import keras_neural_opt as kno
from tests.contracts.problem import read


@keras.saving.register_keras_serializable("tests")
def is_kernel(variable) -> bool:
    return variable.path.endswith("kernel")


def model() -> keras.Model:
    layers = keras.layers
    dense = layers.Dense(3, name="first", kernel_regularizer=keras.regularizers.L2(0.25))
    network = keras.Sequential(
        [keras.Input((4,)), dense, layers.BatchNormalization(name="norm"), layers.Dense(2, name="second")], name="net"
    )
    rng = np.random.default_rng(3)
    for variable in network.trainable_variables:
        variable.assign(rng.uniform(0.2, 0.4, variable.shape))
    return network


def silent(text: str) -> None:
    pass


def excluding_adamw():
    optimizer = keras.optimizers.AdamW(0.1, weight_decay=0.5)
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    return optimizer


def of_several():
    return keras.optimizers.MultiOptimizer(
        keras.optimizers.OptimizerMap(
            keras.optimizers.SGD(0.1), {".*kernel": kno.optimizers.SGD(0.1, weight_decay=0.5)}
        )
    )


def layerwise():
    inner = kno.optimizers.SGD(0.1, weight_decay=0.5, weight_decay_mask=["kernel", "!second"])
    return kno.optimizers.Lookahead(kno.optimizers.LayerwiseLearningRate(inner, {"first": 0.5, "gamma": 0.0}), 3)


OPTIMIZERS = {
    "none": lambda: kno.optimizers.Adam(0.1),
    "all": lambda: kno.optimizers.Adam(0.1, weight_decay=0.5),
    "preset": lambda: kno.optimizers.Adam(0.1, weight_decay=0.5, weight_decay_mask="no_norm_no_bias"),
    "function": lambda: kno.optimizers.SGD(0.1, weight_decay=0.5, weight_decay_mask=is_kernel),
    "native": excluding_adamw,
    "several": of_several,
    "layerwise": layerwise,
}


@pytest.mark.parametrize("make", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_decayed_is_what_a_step_without_gradients_shrinks(make):
    network, optimizer = model(), make()
    rows = kno.regularization.summary(network, optimizer, print_fn=silent)
    variables = network.trainable_variables
    assert [row.path for row in rows] == [v.path for v in (*variables, *network.non_trainable_variables)]
    before = read(variables)
    optimizer.build(variables)
    optimizer.apply([keras.ops.zeros(v.shape) for v in variables], variables)
    shrunk = [np.max(np.abs(new)) < np.max(np.abs(old)) for new, old in zip(read(variables), before, strict=True)]
    expected = [row.decayed and row.rate_multiplier > 0 for row in rows[: len(variables)]]
    assert shrunk == expected
    assert any(expected) == (make is not OPTIMIZERS["none"])
    for row in rows[len(variables) :]:
        assert (row.decayed, row.reason, row.rate_multiplier) == (False, "not trained", 0.0)


def reasons(optimizer) -> dict[str, str]:
    rows = kno.regularization.summary(model(), optimizer, print_fn=silent)
    return {row.path.removeprefix("net/"): row.reason for row in rows}


def test_reasons():
    found = reasons(kno.optimizers.Adam(weight_decay=0.5, weight_decay_mask=["kernel", "!second"]))
    assert found["first/kernel"] == "0.5, decoupled, 'kernel' is in its path"
    assert found["second/kernel"] == "'!second' leaves it out"
    assert found["first/bias"] == "none of ['kernel'] is in its path"
    assert reasons(kno.optimizers.Adam())["first/kernel"] == "weight_decay=None"
    assert reasons(excluding_adamw())["first/bias"] == "exclude_from_weight_decay"
    assert reasons(OPTIMIZERS["function"]())["first/bias"] == "is_kernel says False"
    assert reasons(OPTIMIZERS["function"]())["first/kernel"] == "0.5, decoupled, is_kernel says True"
    schedule = kno.schedules.LinearDecay(0.5, 10)
    optimizer = kno.optimizers.SGD(weight_decay=schedule, weight_decay_mode="cautious")
    assert reasons(optimizer)["first/kernel"] == f"{schedule!r}, cautious"


def test_rates_and_penalties():
    rows = kno.regularization.summary(model(), layerwise(), print_fn=silent)
    assert [row.rate_multiplier for row in rows[:6]] == [0.5, 0.5, 0.0, 1.0, 1.0, 1.0]
    assert [row.penalty for row in rows] == ["L2(l2=0.25)"] + 7 * [""]
    assert [row.decayed for row in rows[:3]] == [True, False, False]
    stopped = kno.optimizers.LayerwiseLearningRate(kno.optimizers.SGD(0.1, weight_decay=0.5), {"first/kernel": 0.0})
    row = kno.regularization.summary(model(), stopped, print_fn=silent)[0]
    assert (row.decayed, row.reason, row.penalty) == (False, "its rate is multiplied by 0", "")
    lars = kno.optimizers.LARS(0.1)
    rows = kno.regularization.summary(model(), lars, print_fn=silent)
    assert [row.trust_ratio for row in rows] == [True, False, False, False, True, False, False, False]


def test_penalties_of_dropout_layers_and_functions_have_names():
    def of_mine(x):
        return 0.0 * keras.ops.sum(x)

    dense = keras.layers.Dense(2, kernel_regularizer=of_mine)
    wrapped = kno.layers.ConcreteDropout(keras.layers.Dense(2), 1e-2)
    network = keras.Sequential([keras.Input((4,)), wrapped, dense])
    rows = kno.regularization.summary(network, kno.optimizers.SGD(), print_fn=silent)
    assert {row.penalty for row in rows} == {"", "ConcreteDropout", "of_mine"}


def test_prints_every_variable(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    network, texts = model(), []
    network.compile(kno.optimizers.LAMB(0.1, weight_decay=0.01))
    kno.regularization.summary(network)
    rows = kno.regularization.summary(network, print_fn=texts.append)
    assert texts == [capsys.readouterr().out]
    lines = [line for line in texts[0].splitlines() if line.startswith("│")]
    assert len(lines) == len(rows) == 8
    for line, row in zip(lines, rows, strict=True):
        cells = [cell.strip() for cell in line.strip("│").split("│")]
        assert cells[0] == row.path
        assert cells[2:4] == ["yes" if row.decayed else "no", row.reason]
    assert [cell.strip() for cell in lines[0].strip("│").split("│")][1::3] == ["4 x 3", "x 1 x trust ratio"]
    assert lines[0].endswith("│ L2(l2=0.25)         │")


def test_refuses_what_it_cannot_read():
    for bad in (None, keras.layers.Dense(1), "model"):
        with pytest.raises(ValueError, match=r"^summary\.model must be a Keras model; received"):
            kno.regularization.summary(bad, "sgd")
    with pytest.raises(ValueError, match=r"^summary\.model must be built"):
        kno.regularization.summary(keras.Sequential([keras.layers.Dense(1)]), kno.optimizers.SGD())
    with pytest.raises(ValueError, match=r"^summary\.optimizer must be an optimizer, or the model compiled"):
        kno.regularization.summary(model())
