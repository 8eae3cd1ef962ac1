import keras
import numpy as np
import pytest

from keras_neural_opt.layers import PositionEmbedding


def test_it_adds_one_vector_for_each_position() -> None:
    layer = PositionEmbedding()
    x = np.random.default_rng(0).normal(size=(2, 3, 4)).astype("float32")
    added = keras.ops.convert_to_numpy(layer(x)) - x
    assert layer.positions.shape == (3, 4)
    np.testing.assert_allclose(added, np.broadcast_to(keras.ops.convert_to_numpy(layer.positions), x.shape), atol=1e-6)
    assert 0.005 < added.std() < 0.05


@pytest.mark.parametrize("shape", [(None, None, 4), (None, 4)])
def test_sequences_must_have_a_fixed_length(shape: tuple[int | None, ...]) -> None:
    with pytest.raises(ValueError, match="PositionEmbedding") as error:
        PositionEmbedding().build(shape)
    assert str(error.value) == (
        f"PositionEmbedding.inputs must be (batch, length, features) of fixed length; received {shape}"
    )
