import keras
import pytest

from keras_neural_opt.nas import count_flops

layers = keras.layers


def of(layer: keras.layers.Layer, *input_shape: int) -> int:
    inputs = keras.Input(input_shape)
    return count_flops(keras.Model(inputs, layer(inputs)))


@pytest.mark.backend_free
@pytest.mark.parametrize(
    ("layer", "input_shape", "expected"),
    [
        (lambda: layers.Dense(5), (3,), 3 * 5),
        (lambda: layers.Dense(5), (7, 3), 7 * 3 * 5),
        (lambda: layers.Conv1D(4, 3), (10, 2), 8 * 3 * 2 * 4),
        (lambda: layers.Conv2D(4, (3, 5), padding="same"), (8, 6, 2), 8 * 6 * 15 * 2 * 4),
        (lambda: layers.Conv2D(4, 3, strides=2), (9, 9, 2), 4 * 4 * 9 * 2 * 4),
        (lambda: layers.Conv2D(6, 3, groups=2), (5, 5, 4), 3 * 3 * 9 * 2 * 6),
        (lambda: layers.Conv2D(4, 3, dilation_rate=2), (9, 9, 2), 5 * 5 * 9 * 2 * 4),
        (lambda: layers.Conv3D(2, 2), (3, 3, 3, 5), 8 * 8 * 5 * 2),
        (lambda: layers.DepthwiseConv1D(3, depth_multiplier=2), (6, 5), 4 * 3 * 5 * 2),
        (lambda: layers.DepthwiseConv2D(3, depth_multiplier=2), (5, 5, 4), 9 * 9 * 4 * 2),
        (lambda: layers.SeparableConv1D(7, 3), (6, 5), 4 * (3 * 5 + 5 * 7)),
        (lambda: layers.SeparableConv2D(7, 3, depth_multiplier=2), (5, 5, 4), 9 * (9 * 8 + 8 * 7)),
        (lambda: layers.Conv1DTranspose(4, 3, strides=2), (5, 2), 5 * 2 * 3 * 4),
        (lambda: layers.Conv2DTranspose(4, 3, strides=2), (5, 5, 2), 25 * 2 * 9 * 4),
        (lambda: layers.Conv3DTranspose(2, 2), (2, 2, 2, 3), 8 * 3 * 8 * 2),
        (lambda: layers.EinsumDense("ab,bc->ac", 5), (3,), 3 * 5),
        (lambda: layers.EinsumDense("abc,cde->abde", (7, 2, 4)), (7, 3), 7 * 3 * 2 * 4),
        (lambda: layers.EinsumDense("...x,xy->...y", 5), (7, 6, 3), 7 * 6 * 3 * 5),
        (lambda: layers.EinsumDense("abc,bd->adc", (4, 3)), (7, 3), 7 * 3 * 4),
    ],
)
def test_layers(layer: object, input_shape: tuple[int, ...], expected: int) -> None:
    assert of(layer(), *input_shape) == expected


QUERY, VALUE, KEY = (7, 5), (9, 6), (9, 4)
# Two heads of 3 for the key and 8 for the value.
ATTENTION = 7 * 5 * 6 + 9 * 6 * 6 + 9 * 6 * 16 + 7 * 16 * 5 + 2 * 7 * 9 * (3 + 8)


def test_attention_in_whatever_order_its_inputs_come() -> None:
    q, v, k = (keras.Input(shape) for shape in (QUERY, VALUE, KEY))
    mask = keras.Input((7, 9))
    attention = layers.MultiHeadAttention(2, 3, value_dim=8)
    assert count_flops(keras.Model([q, v], attention(q, v))) == ATTENTION
    assert count_flops(keras.Model([q, v], attention(value=v, query=q))) == ATTENTION
    assert count_flops(keras.Model([q, v, mask], attention(q, v, attention_mask=mask))) == ATTENTION
    of_key = layers.MultiHeadAttention(2, 3, value_dim=8)
    assert count_flops(keras.Model([q, v, k], of_key(q, v, k))) == ATTENTION - 9 * 6 * 6 + 9 * 4 * 6


@pytest.mark.backend_free
def test_attention_over_some_axes() -> None:
    x = keras.Input((4, 7, 5))
    attention = layers.MultiHeadAttention(1, 3, attention_axes=2)
    assert count_flops(keras.Model(x, attention(x, x))) == 28 * 4 * 15 + 4 * 7 * 7 * 6


@pytest.mark.backend_free
def test_what_counts_nothing() -> None:
    x = inputs = keras.Input((8, 8, 2))
    for layer in (
        layers.BatchNormalization(),
        layers.LayerNormalization(),
        layers.GroupNormalization(1),
        layers.RMSNormalization(),
        layers.PReLU(),
        layers.Dropout(0.5),
        layers.MaxPooling2D(),
        layers.Activation("relu"),
    ):
        x = layer(x)
    assert count_flops(keras.Model(inputs, 2.0 * x + 1.0)) == 0
    assert of(layers.Embedding(9, 4), 12) == 0


def test_models_in_models_and_layers_called_twice() -> None:
    shared = layers.Dense(3)
    inner = keras.Sequential([keras.Input((3,)), layers.Dense(4), layers.Dense(3)])
    x = inputs = keras.Input((3,))
    x = shared(inner(shared(inner(x))))
    assert count_flops(keras.Model(inputs, x)) == 2 * (9 + 24)
    # Only the calls within the model count, not those of the same layer elsewhere.
    assert count_flops(keras.Model(inputs, inner(inputs))) == 24
    assert count_flops(keras.Sequential([keras.Input((3,)), shared])) == 9


class Square(layers.Layer):
    def build(self, input_shape: tuple[int, ...]) -> None:
        self.kernel = self.add_weight((input_shape[-1], input_shape[-1]))

    def call(self, inputs: object) -> object:
        return inputs @ self.kernel


class Own(keras.Model):
    def __init__(self, **arguments: object) -> None:
        super().__init__(**arguments)
        self.dense = layers.Dense(2)

    def call(self, inputs: object) -> object:
        return self.dense(inputs)


@pytest.mark.backend_free
def test_a_rule_for_a_layer_of_ones_own() -> None:
    inputs = keras.Input((5, 3))
    model = keras.Model(inputs, Square(name="mine")(inputs))
    with pytest.raises(ValueError, match="count_flops") as error:
        count_flops(model, {layers.Dense: len})
    assert str(error.value) == (
        "count_flops.rules must have a rule for Square, the class of the layer 'mine', which has weights; received"
        " rules for ['Dense']"
    )
    assert count_flops(model, {Square: lambda call: call.inputs[0][0] * call.output[-1] ** 2}) == 45
    assert count_flops(model, {layers.Layer: lambda call: 7}) == 7


@pytest.mark.backend_free
def test_rules_of_ones_own_come_first() -> None:
    class Thrice(layers.Dense):
        """Counts as a Dense where nobody says otherwise."""

    assert of(Thrice(5), 3) == 15
    inputs = keras.Input((3,))
    assert count_flops(keras.Model(inputs, Thrice(5)(inputs)), {layers.Dense: lambda call: 1}) == 1
    own = keras.Model(inputs, Own()(inputs))
    assert count_flops(own, {Own: lambda call: call.inputs[0][-1] * 2}) == 6


@pytest.mark.backend_free
def test_what_cannot_be_counted_is_refused() -> None:
    inputs = keras.Input((None, None, 3))
    anywhere = keras.Model(inputs, layers.Conv2D(4, 3, name="conv")(inputs))
    fixed = keras.Input((8, 8, 3))
    of_any_shape = keras.Model(fixed, keras.Sequential(anywhere.layers, name="inner")(fixed))
    own = Own(name="own")
    refused = {
        "count_flops.model must be a keras.Model; received 3": 3,
        "count_flops.model must be a functional or a built Sequential model, as must those in it; received 'own', a"
        " Own": own,
        "count_flops.model must be a functional or a built Sequential model, as must those in it; received 'unbuilt', a"
        " Sequential": keras.Sequential([layers.Dense(2)], name="unbuilt"),
        "count_flops.model must have fixed shapes; received one of which 'conv' makes (None, None, 4) of"
        " [(None, None, 3)]": anywhere,
        "count_flops.model must have models in it that were made for the shapes that they get; received 'inner' of"
        " [(None, None, 3)], which gets [(8, 8, 3)]": of_any_shape,
    }
    for message, model in refused.items():
        with pytest.raises(ValueError, match="count_flops") as error:
            count_flops(model)
        assert str(error.value) == message


@pytest.mark.skipif(keras.backend.backend() != "torch", reason="the others want channels last on the CPU")
def test_channels_may_come_first() -> None:
    assert of(layers.Conv2D(4, 3, data_format="channels_first"), 2, 8, 6) == 6 * 4 * 9 * 2 * 4
    assert of(layers.SeparableConv2D(7, 3, data_format="channels_first"), 4, 5, 5) == 9 * (9 * 4 + 4 * 7)
