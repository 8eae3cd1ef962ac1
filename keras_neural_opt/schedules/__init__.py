"""Learning rate schedules."""

from keras_neural_opt.schedules._cosine_annealing import CosineAnnealing

__all__ = ["CosineAnnealing"]
