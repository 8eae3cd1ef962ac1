import json
from statistics import NormalDist

import keras_tuner as kt
import optuna
import pytest

import keras_neural_opt as kno
from keras_neural_opt.hpo import SearchSpace
from keras_neural_opt.hpo._hyperparameters import SuggestedHyperParameters, from_keras, to_keras
from keras_neural_opt.hpo._parameter import Parameter

pytestmark = pytest.mark.backend_free

ALL_KINDS = [
    ("u", "uniform", -1.0, 1.0),
    ("l", "log_uniform", 1e-5, 1e-1),
    ("q", "quantized", 0.0, 1.0, 0.25),
    ("i", "int", 1, 10),
    ("s", "int", 1, 10, 4),
    ("li", "log_int", 1, 1000),
    ("c", "categorical", ["a", 3, None, 2.5, True]),
    ("b", "boolean"),
    ("n", "normal", 5.0, 2.0),
]


def draw(space: SearchSpace, seed: int) -> dict[str, object]:
    trial = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed)).ask()
    return {p.key: trial._suggest(p.key, p.distribution) for p in space}


@pytest.mark.parametrize("seed", range(3))
def test_every_kind_stays_in_its_range_and_is_drawn_back(seed: int) -> None:
    space = SearchSpace(ALL_KINDS)
    drawn = draw(space, seed)
    values = space.values(drawn)
    assert -1 <= values["u"] <= 1
    assert 1e-5 <= values["l"] <= 1e-1
    assert values["q"] in (0, 0.25, 0.5, 0.75, 1)
    assert values["i"] in range(1, 11)
    assert values["s"] in (1, 5, 9)
    assert values["li"] in range(1, 1001)
    assert values["c"] in ["a", 3, None, 2.5, True]
    assert values["b"] in (True, False)
    assert space.drawn(values) == pytest.approx(drawn)


def test_normal_values_are_normal() -> None:
    parameter = next(iter(SearchSpace([("n", "normal", 5.0, 2.0)])))
    quantiles = [0.001, 0.1, 0.5, 0.9, 0.999]
    assert [parameter.value(q) for q in quantiles] == pytest.approx([NormalDist(5, 2).inv_cdf(q) for q in quantiles])


def test_a_conditional_parameter_counts_only_with_its_parent() -> None:
    space = SearchSpace(
        [
            ("optimizer", "categorical", ["sgd", "adam", "rmsprop"]),
            ("momentum", "uniform", 0.0, 0.9, {"when": ("optimizer", ["sgd", "rmsprop"])}),
            ("nesterov", "boolean", {"when": [("optimizer", "sgd")]}),
        ]
    )
    drawn = {"optimizer": "adam", "momentum": 0.5, "nesterov": True}
    assert space.values(drawn) == {"optimizer": "adam"}
    assert space.values({**drawn, "optimizer": "rmsprop"}) == {"optimizer": "rmsprop", "momentum": 0.5}
    assert space.values({**drawn, "optimizer": "sgd"}) == {"optimizer": "sgd", "momentum": 0.5, "nesterov": True}


def test_a_finite_space_lists_each_configuration_once() -> None:
    space = SearchSpace(
        [
            ("a", "categorical", ["x", "y"]),
            ("b", "int", 1, 3, {"when": ("a", "x")}),
            ("c", "quantized", 0.0, 0.2, 0.1),
        ]
    )
    configurations = space.configurations()
    assert len(configurations) == 3 * 3 + 3
    assert len({json.dumps(c) for c in configurations}) == 12
    assert SearchSpace([("x", "uniform", 0, 1)]).configurations() is None


@pytest.mark.parametrize("entry", ALL_KINDS, ids=lambda entry: entry[0])
def test_a_parameter_survives_being_written_down(entry: tuple) -> None:
    parameter = next(iter(SearchSpace([entry])))
    assert Parameter.from_json(parameter.to_json()) == parameter


def test_objects_are_behind_labels() -> None:
    rate = kno.schedules.CosineAnnealing(0.1, 100)
    space = SearchSpace({"schedule": ("categorical", {"cosine": rate, "none": None})})
    parameter = next(iter(space))
    assert parameter.choices() == ("cosine", "none")
    assert parameter.object("cosine") is rate
    assert parameter.object("none") is None


BAD_SPACES = [
    ([], "must be a list of tuples"),
    (None, "must be a list of tuples"),
    ("learning_rate", "must be a list of tuples"),
    (5, "must be a list of tuples"),
    ([("x",)], "must have tuples"),
    ([5], "must have tuples"),
    ([("", "uniform", 0, 1)], "non-empty string"),
    ([("  ", "uniform", 0, 1)], "non-empty string"),
    ([(3, "uniform", 0, 1)], "non-empty string"),
    ([("x", "unifor", 0, 1)], "did you mean uniform?"),
    ([("x", "loguniform", 1, 2)], "did you mean log_uniform?"),
    ([("x", "choice", [1])], "of a kind among"),
    ([("x", 7, 0, 1)], "of a kind among"),
    ([("x", "uniform")], r"'uniform', low, high"),
    ([("x", "uniform", 0)], r"'uniform', low, high"),
    ([("x", "uniform", 0, 1, 2)], r"'uniform', low, high"),
    ([("x", "uniform", 1, 1)], "low < high"),
    ([("x", "uniform", 2, 1)], "low < high"),
    ([("x", "uniform", "0", 1)], "low < high"),
    ([("x", "uniform", 0, float("inf"))], "low < high"),
    ([("x", "uniform", float("nan"), 1)], "low < high"),
    ([("x", "uniform", False, True)], "low < high"),
    ([("x", "log_uniform", 0, 1)], "low > 0"),
    ([("x", "log_uniform", -1, 1)], "low > 0"),
    ([("x", "log_uniform", 1, 0.1)], "low < high"),
    ([("x", "int", 1.5, 3)], "integers"),
    ([("x", "int", 3, 1)], "low < high"),
    ([("x", "int", 1, 5, 0)], "step"),
    ([("x", "int", 1, 5, 1.5)], "step"),
    ([("x", "int", 1, 5, 9)], "step"),
    ([("x", "log_int", 0, 5)], "low > 0"),
    ([("x", "log_int", 1, 5.5)], "integers"),
    ([("x", "quantized", 0, 1)], "low, high, step"),
    ([("x", "quantized", 0, 1, 0)], "step"),
    ([("x", "quantized", 0, 1, -0.1)], "step"),
    ([("x", "quantized", 0, 1, 2)], "step"),
    ([("x", "categorical")], r"\[choices\]"),
    ([("x", "categorical", [])], "at least one"),
    ([("x", "categorical", {})], "at least one"),
    ([("x", "categorical", "abc")], "list of choices"),
    ([("x", "categorical", [1, 1])], "all differ"),
    ([("x", "categorical", [1, True])], "all differ"),
    ([("x", "categorical", [float("nan")])], "finite"),
    ([("x", "categorical", [object()])], "mapping of labels"),
    ([("x", "categorical", [[1], [2]])], "mapping of labels"),
    ([("x", "boolean", True)], "'boolean'"),
    ([("x", "normal", 0)], "mean, standard_deviation"),
    ([("x", "normal", 0, 0)], "standard deviation > 0"),
    ([("x", "normal", float("nan"), 1)], "finite mean"),
    ([("x", "uniform", 0, 1), ("x", "uniform", 0, 2)], "once"),
    ([("x", "uniform", 0, 1, {"when": ("y", 1)})], "about one before it"),
    ([("opt", "categorical", ["a"]), ("x", "uniform", 0, 1, {"when": ("opd", "a")})], "did you mean opt?"),
    ([("opt", "categorical", ["a"]), ("x", "uniform", 0, 1, {"when": ("opt", "b")})], "'opt' can have"),
    ([("opt", "categorical", ["a"]), ("x", "uniform", 0, 1, {"when": "opt"})], "have a `when` such as"),
    ([("opt", "categorical", ["a"]), ("x", "uniform", 0, 1, {"when": ("opt",)})], "have a `when` such as"),
]


@pytest.mark.parametrize(("space", "error"), BAD_SPACES, ids=[f"{i}" for i in range(len(BAD_SPACES))])
def test_bad_spaces_are_refused(space: object, error: str) -> None:
    with pytest.raises(ValueError, match=error):
        SearchSpace(space)


KERAS_SPACE = kt.HyperParameters()
KERAS_SPACE.Float("f", 0.1, 1.0)
KERAS_SPACE.Float("fs", 0.0, 0.9, step=0.3)
KERAS_SPACE.Float("fl", 1e-4, 1.0, sampling="log")
KERAS_SPACE.Float("fls", 1.0, 100.0, step=10, sampling="log")
KERAS_SPACE.Float("fr", 0.1, 1.0, sampling="reverse_log")
KERAS_SPACE.Int("i", 1, 9)
KERAS_SPACE.Int("is", 1, 10, step=3)
KERAS_SPACE.Int("il", 1, 64, sampling="log")
KERAS_SPACE.Int("ils", 2, 32, step=2, sampling="log")
KERAS_SPACE.Int("ir", 1, 64, sampling="reverse_log")
KERAS_SPACE.Choice("c", ["a", "b", "c"])
KERAS_SPACE.Boolean("b")


@pytest.mark.parametrize("hp", KERAS_SPACE.space, ids=lambda hp: hp.name)
def test_kerastuners_kinds_have_the_values_that_kerastuner_draws(hp: object) -> None:
    parameter = from_keras(hp)
    theirs = [hp.random_sample(seed) for seed in range(400)]
    # Rungs of a ladder of floats differ in the last digit.
    assert all(parameter.accepts(value) or parameter.accepts(round(value, 12)) for value in theirs)
    if parameter.choices() is not None and len(parameter.choices()) < 20:
        assert sorted(map(parameter.value, parameter.choices())) == pytest.approx(sorted(set(theirs)))
    elif parameter.choices() is None:
        d = parameter.distribution
        for p in (0.0, 0.1, 0.5, 0.9):
            quantile = 1 - p if parameter.reading is not None else p
            drawn = d.low * (d.high / d.low) ** quantile if d.log else d.low + quantile * (d.high - d.low)
            assert parameter.value(drawn) == pytest.approx(hp.prob_to_value(p))


@pytest.mark.parametrize("hp", [hp for hp in KERAS_SPACE.space if hp.name not in ("fls", "fr", "ils", "ir", "b")])
def test_kerastuner_shows_what_it_had(hp: object) -> None:
    assert to_keras(from_keras(hp)).get_config() == hp.get_config()


def test_what_a_model_asks_for_is_drawn_once_and_the_rest_is_kerastuners() -> None:
    asked = []

    def suggest(parameter: Parameter, default: object) -> object:
        asked.append(parameter.key)
        return parameter.value(parameter.choices()[-1])

    hp = SuggestedHyperParameters(suggest)
    assert hp.Int("units", 1, 8) == 8
    assert hp.Int("units", 1, 8) == 8
    assert hp.Fixed("fixed", 3) == 3
    assert hp.Choice("kind", ["mlp", "cnn"]) == "cnn"
    with hp.conditional_scope("kind", ["mlp"]):
        assert hp.Int("depth", 1, 3) is None
    with hp.conditional_scope("kind", ["cnn"]):
        assert hp.Int("depth", 1, 5) == 5
    with hp.name_scope("head"):
        assert hp.Boolean("dropout") is True
    assert asked == ["units", "kind", "depth [kind=cnn]", "head/dropout"]
    assert hp.values == {"units": 8, "fixed": 3, "kind": "cnn", "depth": 5, "head/dropout": True}
