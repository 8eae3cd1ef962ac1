"""Callbacks for `fit`."""

from keras_neural_opt.callbacks._adaptive_dropout_rate import AdaptiveDropoutRate
from keras_neural_opt.callbacks._dropout_scheduler import DropoutScheduler
from keras_neural_opt.callbacks._effective_learning_rate import EffectiveLearningRate
from keras_neural_opt.callbacks._freeze_batch_norm import FreezeBatchNorm
from keras_neural_opt.callbacks._learning_rate_finder import LearningRateFinder
from keras_neural_opt.callbacks._log_hyperparameters import LogHyperparameters
from keras_neural_opt.callbacks._loss_curve_advisor import LossCurveAdvisor
from keras_neural_opt.callbacks._progress import TrainingProgress
from keras_neural_opt.callbacks._recalibrate_batch_norm import RecalibrateBatchNorm
from keras_neural_opt.callbacks._reduce_on_plateau import ReduceOnPlateau
from keras_neural_opt.callbacks._schedule_in_epochs import ScheduleInEpochs
from keras_neural_opt.callbacks._training_monitor import TrainingMonitor
from keras_neural_opt.training._early_stopping import EarlyStopping

__all__ = [
    "AdaptiveDropoutRate",
    "DropoutScheduler",
    "EarlyStopping",
    "EffectiveLearningRate",
    "FreezeBatchNorm",
    "LearningRateFinder",
    "LogHyperparameters",
    "LossCurveAdvisor",
    "RecalibrateBatchNorm",
    "ReduceOnPlateau",
    "ScheduleInEpochs",
    "TrainingMonitor",
    "TrainingProgress",
]
