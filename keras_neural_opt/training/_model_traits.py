"""What kind of network a model is."""

import math
from dataclasses import dataclass
from typing import Any

import keras

from keras_neural_opt._core import masks
from keras_neural_opt.layers._linear_wrapper import LinearWrapper
from keras_neural_opt.layers._scheduled_rate import ScheduledRate

_L = keras.layers
_ATTENTION = (_L.MultiHeadAttention, _L.GroupQueryAttention, _L.Attention, _L.AdditiveAttention)
_CONVOLUTIONS = (_L.Conv1D, _L.Conv2D, _L.Conv3D, _L.DepthwiseConv1D, _L.DepthwiseConv2D, _L.SeparableConv2D)
_NORMS = (_L.BatchNormalization, _L.LayerNormalization, _L.GroupNormalization, _L.RMSNormalization)
_DROPOUT = (_L.Dropout, _L.SpatialDropout1D, _L.SpatialDropout2D, _L.SpatialDropout3D, _L.GaussianDropout)


@dataclass(frozen=True)
class ModelTraits:
    """What decides how a model is trained.

    Args:
        parameters: How many numbers are trained.
        depth: How many layers have a matrix of weights.
        recurrent: Whether a layer runs over time.
        attention: Whether there is attention.
        convolutional: Whether there are convolutions.
        batch_norm: Whether there are batch norms.
        norms: Whether there are norms of any kind.
        dropout: Whether there is dropout, as a layer or inside one.
    """

    parameters: int
    depth: int
    recurrent: bool
    attention: bool
    convolutional: bool
    batch_norm: bool
    norms: bool
    dropout: bool

    @classmethod
    def of(cls, model: keras.Model) -> "ModelTraits":
        """Return those of a built model."""
        layers = list(model._flatten_layers(include_self=False))

        def has(*kinds: Any) -> bool:
            return any(isinstance(layer, kinds) for layer in layers)

        weights = [v for v in model.trainable_variables if not masks.is_rate(v)]
        matrices = {v.path.rpartition("/")[0] for v in weights if len(v.shape) >= 2}
        return cls(
            parameters=sum(math.prod(v.shape) for v in weights),
            depth=len(matrices),
            recurrent=has(_L.RNN),
            attention=has(*_ATTENTION),
            convolutional=has(*_CONVOLUTIONS),
            batch_norm=has(_L.BatchNormalization),
            norms=has(*_NORMS),
            dropout=any(_drops(layer) for layer in layers),
        )


def _drops(layer: Any) -> bool:
    if isinstance(layer, (ScheduledRate, LinearWrapper)):
        return True
    # Attention and recurrent layers have it as an argument; attention keeps a layer of rate 0 where it has none.
    rate = layer.rate if isinstance(layer, _DROPOUT) else getattr(layer, "dropout", 0.0)
    return isinstance(rate, (int, float)) and rate > 0
