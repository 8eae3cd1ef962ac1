"""Optimizers, each one short rule on a common base, and wrappers around them."""

from keras_neural_opt.optimizers import rules
from keras_neural_opt.optimizers._adabelief import AdaBelief
from keras_neural_opt.optimizers._adabound import AdaBound
from keras_neural_opt.optimizers._adadelta import Adadelta
from keras_neural_opt.optimizers._adafactor import Adafactor
from keras_neural_opt.optimizers._adagrad import Adagrad
from keras_neural_opt.optimizers._adam import Adam
from keras_neural_opt.optimizers._adamax import Adamax
from keras_neural_opt.optimizers._adamp import AdamP
from keras_neural_opt.optimizers._adamw import AdamW
from keras_neural_opt.optimizers._adan import Adan
from keras_neural_opt.optimizers._ademamix import AdEMAMix
from keras_neural_opt.optimizers._adopt import ADOPT
from keras_neural_opt.optimizers._base import RuleOptimizer
from keras_neural_opt.optimizers._came import CAME
from keras_neural_opt.optimizers._cautious import Cautious
from keras_neural_opt.optimizers._exponential_moving_average import ExponentialMovingAverage
from keras_neural_opt.optimizers._gradient_accumulation import GradientAccumulation
from keras_neural_opt.optimizers._grokfast import Grokfast
from keras_neural_opt.optimizers._lamb import LAMB
from keras_neural_opt.optimizers._lars import LARS
from keras_neural_opt.optimizers._layerwise_learning_rate import LayerwiseLearningRate
from keras_neural_opt.optimizers._lazyadam import LazyAdam
from keras_neural_opt.optimizers._lion import Lion
from keras_neural_opt.optimizers._lookahead import Lookahead
from keras_neural_opt.optimizers._loss_scale import LossScale
from keras_neural_opt.optimizers._mars import MARS
from keras_neural_opt.optimizers._nadam import Nadam
from keras_neural_opt.optimizers._novograd import NovoGrad
from keras_neural_opt.optimizers._radam import RAdam
from keras_neural_opt.optimizers._ranger import Ranger
from keras_neural_opt.optimizers._registry import available, get
from keras_neural_opt.optimizers._rmsprop import RMSprop
from keras_neural_opt.optimizers._sgd import SGD
from keras_neural_opt.optimizers._sgdp import SGDP
from keras_neural_opt.optimizers._slot import Slot
from keras_neural_opt.optimizers._stochastic_weight_averaging import SWAG, StochasticWeightAveraging
from keras_neural_opt.optimizers._switch_to_sgd import SwitchToSGD
from keras_neural_opt.optimizers._with_transforms import WithTransforms, with_transforms
from keras_neural_opt.optimizers._wrapper import Wrapper
from keras_neural_opt.optimizers._yogi import Yogi

__all__ = [
    "ADOPT",
    "AdEMAMix",
    "AdaBelief",
    "AdaBound",
    "Adadelta",
    "Adafactor",
    "Adagrad",
    "Adam",
    "AdamP",
    "AdamW",
    "Adamax",
    "Adan",
    "CAME",
    "Cautious",
    "ExponentialMovingAverage",
    "GradientAccumulation",
    "Grokfast",
    "LAMB",
    "LARS",
    "LayerwiseLearningRate",
    "LazyAdam",
    "Lion",
    "Lookahead",
    "LossScale",
    "MARS",
    "Nadam",
    "NovoGrad",
    "RAdam",
    "RMSprop",
    "Ranger",
    "RuleOptimizer",
    "SGD",
    "SGDP",
    "SWAG",
    "Slot",
    "StochasticWeightAveraging",
    "SwitchToSGD",
    "WithTransforms",
    "Wrapper",
    "Yogi",
    "available",
    "get",
    "rules",
    "with_transforms",
]
