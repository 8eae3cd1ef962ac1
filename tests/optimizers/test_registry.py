import keras
import pytest

import keras_neural_opt as kno


def test_available_matches_patterns():
    assert kno.optimizers.available("adam*") == ["adam", "adamax", "adamp", "adamw"]
    assert kno.optimizers.available("RADAM") == ["radam"]
    assert kno.optimizers.available("nothing*") == []


@pytest.mark.parametrize("name", kno.optimizers.available())
def test_every_name_resolves_to_its_class(name):
    assert type(kno.optimizers.get(name.upper())).__name__.lower() == name


@pytest.mark.parametrize("name", ["Ftrl", "muon"])
def test_names_that_only_keras_has(name):
    assert isinstance(kno.optimizers.get(name), getattr(keras.optimizers, name.capitalize()))


def test_a_name_of_keras_is_ours_here_and_theirs_there():
    assert type(kno.optimizers.get("lamb")) is kno.optimizers.LAMB
    assert "lamb" not in keras.saving.get_custom_objects()


def test_get_takes_options_configurations_and_optimizers():
    optimizer = kno.optimizers.get("adam", learning_rate=0.5, beta_1=0.8)
    assert optimizer.get_config()["beta_1"] == 0.8
    again = kno.optimizers.get(keras.optimizers.serialize(optimizer))
    assert type(again) is kno.optimizers.Adam
    assert again.get_config() == optimizer.get_config()
    assert kno.optimizers.get(optimizer) is optimizer


@pytest.mark.parametrize(
    ("identifier", "options", "message"),
    [
        ("radm", {}, "did you mean radam"),
        ("", {}, "must be a known name"),
        (3, {}, "must be a name, a configuration or an optimizer; received 3"),
        (None, {}, "received None"),
        (kno.optimizers.SGD(), {"momentum": 0.9}, "must be a name when options are given"),
        ("adam", {"beta1": 0.9}, r"Adam\.beta1 must be an argument of Adam; received 0\.9; did you mean beta_1\?"),
    ],
)
def test_bad_identifiers(identifier, options, message):
    with pytest.raises(ValueError, match=message):
        kno.optimizers.get(identifier, **options)
