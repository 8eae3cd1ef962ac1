import numpy as np
import pytest

from keras_neural_opt._core.arguments import (
    Configurable,
    choice,
    closed_fraction,
    did_you_mean,
    flag,
    fraction,
    integer,
    nonnegative,
    optional,
    positive,
    text,
)

NOT_NUMBERS = [None, "1", True, np.bool_(True), [0.5], float("nan"), float("inf"), 1j, {}]


@pytest.mark.parametrize(
    ("rule", "good", "bad"),
    [
        (fraction, [0, 0.5, np.float32(0.25)], [1, 1.0, -1e-9, *NOT_NUMBERS]),
        (closed_fraction, [0, 1, 0.5], [1.0001, -1e-9, *NOT_NUMBERS]),
        (positive, [1e-9, 3, np.int64(2)], [0, -1, *NOT_NUMBERS]),
        (nonnegative, [0, 3, np.float64(0.1)], [-1e-9, *NOT_NUMBERS]),
        (lambda v: integer(v, 2), [2, np.int32(5)], [1, 2.0, *NOT_NUMBERS]),
        (lambda v: integer(v, 1, 3), [1, 3], [0, 4, 2**70]),
        (flag, [True, False, np.bool_(True)], [0, 1, "True", None, []]),
        (text, ["a"], ["", None, 1, ["a"]]),
        (lambda v: choice(v, ("skip", "raise")), ["skip"], ["Skip", "", None, 1, ["skip"]]),
        (lambda v: optional(positive(v)), [None, 1], [0, "1"]),
    ],
)
def test_rules(rule, good, bad):
    for value in good:
        checked = rule(value).check("Owner", "name")
        assert checked == value
        assert type(checked) in (float, int, bool, str, type(None))
    for value in bad:
        with pytest.raises(ValueError, match=r"^Owner\.name must be .*; received ") as error:
            rule(value).check("Owner", "name")
        assert str(error.value).partition("; did you mean")[0].endswith(repr(value))


@pytest.mark.parametrize(
    ("name", "near"),
    [("beta1", "beta_1"), ("Epsilon", "epsilon"), ("weightdecay", "weight_decay"), ("zzz", None), (3, None)],
)
def test_did_you_mean(name, near):
    hint = did_you_mean(name, ["beta_1", "beta_2", "epsilon", "weight_decay"])
    assert hint == (f"; did you mean {near}?" if near else "")


def test_nothing_is_set_when_one_argument_is_bad():
    class Thing(Configurable):
        pass

    thing = Thing()
    with pytest.raises(ValueError, match=r"Thing\.b must be"):
        thing.set_hyperparameters(a=positive(1), b=positive(-1))
    assert vars(thing) == {}
    thing.set_hyperparameters(a=positive(1))
    thing.set_hyperparameters(b=flag(True))
    assert thing.hyperparameters() == {"a": 1.0, "b": True}


def test_a_hint_follows_the_value():
    with pytest.raises(ValueError, match=r"^O\.n must be one of 'skip', 'raise'; received 'skp'; did you mean skip\?$"):
        choice("skp", ("skip", "raise")).check("O", "n")
