"""Gradient transforms: what happens to the aggregated gradients before the rule sees them."""

from keras_neural_opt.transforms._clip import ClipByGlobalNorm, ClipByNorm, ClipByValue
from keras_neural_opt.transforms._transform import GradientContext, GradientTransform

__all__ = ["ClipByGlobalNorm", "ClipByNorm", "ClipByValue", "GradientContext", "GradientTransform"]
