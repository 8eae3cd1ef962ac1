"""Layers: dropout whose strength changes while a model trains, and positions for attention."""

from keras_neural_opt.layers._concrete_dropout import ConcreteDropout
from keras_neural_opt.layers._position_embedding import PositionEmbedding
from keras_neural_opt.layers._scheduled_dropout import ScheduledDropout
from keras_neural_opt.layers._scheduled_gaussian_dropout import ScheduledGaussianDropout
from keras_neural_opt.layers._scheduled_spatial_dropout import (
    ScheduledSpatialDropout1D,
    ScheduledSpatialDropout2D,
    ScheduledSpatialDropout3D,
)
from keras_neural_opt.layers._standout import Standout
from keras_neural_opt.layers._variational_dropout import VariationalDropout
from keras_neural_opt.layers._with_scheduled_dropout import with_scheduled_dropout

__all__ = [
    "ConcreteDropout",
    "PositionEmbedding",
    "ScheduledDropout",
    "ScheduledGaussianDropout",
    "ScheduledSpatialDropout1D",
    "ScheduledSpatialDropout2D",
    "ScheduledSpatialDropout3D",
    "Standout",
    "VariationalDropout",
    "with_scheduled_dropout",
]
