"""Layers whose strength changes while a model trains."""

from keras_neural_opt.layers._scheduled_dropout import ScheduledDropout
from keras_neural_opt.layers._scheduled_gaussian_dropout import ScheduledGaussianDropout
from keras_neural_opt.layers._scheduled_spatial_dropout import (
    ScheduledSpatialDropout1D,
    ScheduledSpatialDropout2D,
    ScheduledSpatialDropout3D,
)
from keras_neural_opt.layers._with_scheduled_dropout import with_scheduled_dropout

__all__ = [
    "ScheduledDropout",
    "ScheduledGaussianDropout",
    "ScheduledSpatialDropout1D",
    "ScheduledSpatialDropout2D",
    "ScheduledSpatialDropout3D",
    "with_scheduled_dropout",
]
