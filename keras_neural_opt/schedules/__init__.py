"""Learning rate schedules."""

from keras_neural_opt.schedules._constant import Constant
from keras_neural_opt.schedules._cosine_annealing import CosineAnnealing
from keras_neural_opt.schedules._cosine_annealing_warm_restarts import CosineAnnealingWarmRestarts
from keras_neural_opt.schedules._curriculum_dropout import CurriculumDropout
from keras_neural_opt.schedules._cyclical import Cyclical
from keras_neural_opt.schedules._early_dropout import EarlyDropout
from keras_neural_opt.schedules._exponential_decay import ExponentialDecay
from keras_neural_opt.schedules._figure import schedule_figure
from keras_neural_opt.schedules._inverse_square_root import InverseSquareRoot
from keras_neural_opt.schedules._join import Join
from keras_neural_opt.schedules._late_dropout import LateDropout
from keras_neural_opt.schedules._linear_decay import LinearDecay
from keras_neural_opt.schedules._multi_step_decay import MultiStepDecay
from keras_neural_opt.schedules._noam import Noam
from keras_neural_opt.schedules._one_cycle import OneCycle, OneCycleMomentum
from keras_neural_opt.schedules._polynomial_decay import PolynomialDecay
from keras_neural_opt.schedules._product import Product
from keras_neural_opt.schedules._reduce_on_plateau import ReduceOnPlateau
from keras_neural_opt.schedules._scale_learning_rate import ScaledLearningRate, scale_learning_rate
from keras_neural_opt.schedules._scaled import Scaled
from keras_neural_opt.schedules._schedule import Schedule
from keras_neural_opt.schedules._step_decay import StepDecay
from keras_neural_opt.schedules._warmup import Warmup
from keras_neural_opt.schedules._warmup_stable_decay import WarmupStableDecay

__all__ = [
    "Constant",
    "CosineAnnealing",
    "CosineAnnealingWarmRestarts",
    "CurriculumDropout",
    "Cyclical",
    "EarlyDropout",
    "ExponentialDecay",
    "InverseSquareRoot",
    "Join",
    "LateDropout",
    "LinearDecay",
    "MultiStepDecay",
    "Noam",
    "OneCycle",
    "OneCycleMomentum",
    "PolynomialDecay",
    "Product",
    "ReduceOnPlateau",
    "Scaled",
    "ScaledLearningRate",
    "Schedule",
    "StepDecay",
    "Warmup",
    "WarmupStableDecay",
    "scale_learning_rate",
    "schedule_figure",
]
