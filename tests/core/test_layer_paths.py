"""Names that lead to the layers of a model."""

from typing import Any

import keras

from keras_neural_opt._core.layer_paths import layer_paths


class Twins(keras.layers.Layer):
    """Holds two layers of one name, as a model cannot."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.first, self.second = keras.layers.Dropout(0.1, name="drop"), keras.layers.Dropout(0.2, name="drop")

    def call(self, inputs: Any) -> Any:
        return self.second(self.first(inputs))


def test_no_two_layers_share_a_path():
    shared = keras.layers.Dense(2, name="shared")
    left, right = (keras.Sequential([shared, keras.layers.Dropout(0.5, name="drop")], name=side) for side in "lr")
    each = keras.layers.TimeDistributed(keras.layers.Dense(1, name="one"), name="each")
    model = keras.Sequential([keras.Input((3, 2)), left, right, Twins(name="twins"), each])
    found = {path: x for path, x in layer_paths(model).items() if not isinstance(x, keras.layers.InputLayer)}
    assert list(found) == [
        "l", "l/shared", "l/drop", "r", "r/drop", "twins", "twins/drop", "twins/drop_2", "each", "each/one",
    ]  # fmt: skip
    assert {path: layer.rate for path, layer in found.items() if isinstance(layer, keras.layers.Dropout)} == {
        "l/drop": 0.5, "r/drop": 0.5, "twins/drop": 0.1, "twins/drop_2": 0.2,
    }  # fmt: skip
    assert found["l/shared"] is shared
    assert found["each/one"] is each.layer
