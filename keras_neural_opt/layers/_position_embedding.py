"""What tells attention where in the sequence something is."""

from typing import Any

import keras

from keras_neural_opt._core.registry import export


@export
class PositionEmbedding(keras.layers.Layer):
    """Adds a learned vector for each position (Gehring et al., 2017) to sequences of a fixed length.

    Attention alone does not see in which order its inputs come.

    Args:
        **kwargs: `name`, `dtype` and `trainable`, see `keras.layers.Layer`.

    Raises:
        ValueError: The inputs are not of the shape `(batch, length, features)`, with a length that is known.

    Example:
        >>> import keras
        >>> import keras_neural_opt as kno
        >>> x = inputs = keras.Input((12, 5))
        >>> x = kno.layers.PositionEmbedding()(keras.layers.Dense(8)(x))
        >>> keras.Model(inputs, keras.layers.MultiHeadAttention(2, 4)(x, x)).output_shape
        (None, 12, 8)

    Note:
        State: length times features weights, which begin as normal numbers of standard deviation 0.02.

    References:
        Gehring et al., Convolutional Sequence to Sequence Learning, 2017, https://arxiv.org/abs/1705.03122
    """

    def build(self, input_shape: Any) -> None:
        """Make one vector for each position."""
        if len(input_shape) != 3 or None in input_shape[1:]:
            raise ValueError(
                f"PositionEmbedding.inputs must be (batch, length, features) of fixed length; received {input_shape}"
            )
        normal = keras.initializers.RandomNormal(stddev=0.02)
        self.positions = self.add_weight(tuple(input_shape[1:]), normal, name="positions")

    def call(self, inputs: Any) -> Any:
        """Return the inputs with their positions."""
        return inputs + self.positions
