"""Optimizers, each one short rule on a common base."""

from keras_neural_opt.optimizers import rules
from keras_neural_opt.optimizers._adabound import AdaBound
from keras_neural_opt.optimizers._adadelta import Adadelta
from keras_neural_opt.optimizers._adagrad import Adagrad
from keras_neural_opt.optimizers._adam import Adam
from keras_neural_opt.optimizers._adamw import AdamW
from keras_neural_opt.optimizers._base import RuleOptimizer
from keras_neural_opt.optimizers._radam import RAdam
from keras_neural_opt.optimizers._registry import available, get
from keras_neural_opt.optimizers._rmsprop import RMSprop
from keras_neural_opt.optimizers._sgd import SGD
from keras_neural_opt.optimizers._slot import Slot

__all__ = [
    "AdaBound",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "RAdam",
    "RMSprop",
    "RuleOptimizer",
    "SGD",
    "Slot",
    "available",
    "get",
    "rules",
]
