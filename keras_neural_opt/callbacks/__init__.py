"""Callbacks for `fit`."""

from keras_neural_opt.callbacks._progress import TrainingProgress
from keras_neural_opt.callbacks._recalibrate_batch_norm import RecalibrateBatchNorm

__all__ = ["RecalibrateBatchNorm", "TrainingProgress"]
