from typing import Any

import keras
import keras_tuner as kt
import pytest

from keras_neural_opt.nas import from_hypermodel

pytestmark = pytest.mark.backend_free


class Hyper(kt.HyperModel):
    def build(self, hp: kt.HyperParameters) -> keras.Model:
        model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(hp.Int("units", 8, 16, step=4))])
        deep = hp.Boolean("deep")
        with hp.conditional_scope("deep", [True]):
            if deep:
                model.add(keras.layers.Dense(hp.Choice("second", [2, 3])))
        hp.Fixed("answer", 42)
        model.compile(keras.optimizers.SGD(hp.Float("learning_rate", 1e-4, 1e-1, sampling="log")), "mse")
        return model


def declared(second: bool = True) -> list[tuple[Any, ...]]:
    genes = [("units", "int", 8, 16, 4), ("deep", "boolean")]
    return [*genes, ("second", "categorical", [2, 3], {"when": ("deep", True)})] if second else genes


def test_its_hyperparameters_are_genes_and_a_rate_is_none() -> None:
    space = from_hypermodel(Hyper(), declared())
    assert space.genes.names == ["units", "deep", "second"]
    model = space.build({"units": 12, "deep": True, "second": 3})
    assert [layer.units for layer in model.layers] == [12, 3]
    assert float(model.optimizer.learning_rate) == pytest.approx(1e-4)
    assert space.check({"units": 12, "deep": False, "second": 3}) == {"units": 12, "deep": False}


def test_a_scope_that_is_asked_in_any_case_is_found_without_a_declaration() -> None:
    def build(hp: kt.HyperParameters) -> keras.Model:
        kind = hp.Choice("kind", ["a", "b"])
        with hp.conditional_scope("kind", ["b"]):
            units = hp.Int("units", 1, 3)
        return keras.Sequential([keras.Input((4,)), keras.layers.Dense(units if kind == "b" else 9)])

    space = from_hypermodel(build)
    assert {gene.name: gene.when for gene in space.genes} == {"kind": (), "units": (("kind", ("b",)),)}
    assert [space.build(g).output_shape[1] for g in ({"kind": "a"}, {"kind": "b", "units": 2})] == [9, 2]


def test_a_model_may_not_ask_for_what_was_not_declared() -> None:
    space = from_hypermodel(Hyper(), declared(second=False))
    assert len(space.build({"units": 8, "deep": False}).layers) == 1
    with pytest.raises(ValueError, match="from_hypermodel") as error:
        space.build({"units": 8, "deep": True})
    assert str(error.value) == (
        "from_hypermodel.genes must have 'second', which the model asks for under the genotype"
        " {'units': 8, 'deep': True}; received the names ['deep', 'units']"
    )


def test_what_cannot_vary_is_refused() -> None:
    with pytest.raises(ValueError, match="from_hypermodel") as error:
        from_hypermodel(3)
    assert str(error.value) == ("from_hypermodel.hypermodel must be a keras_tuner.HyperModel or a function; received 3")
    with pytest.raises(ValueError, match="from_hypermodel") as error:
        from_hypermodel(lambda hp: hp.Float("rate", 0.0, 1.0))
    assert str(error.value) == (
        "from_hypermodel.hypermodel must ask for a value among finitely many; received one without"
    )
