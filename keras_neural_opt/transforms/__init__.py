"""Gradient transforms: what happens to the aggregated gradients before the rule sees them."""

from keras_neural_opt.transforms._adaptive_gradient_clipping import AdaptiveGradientClipping
from keras_neural_opt.transforms._auto_clip import AutoClip
from keras_neural_opt.transforms._clip import ClipByGlobalNorm, ClipByNorm, ClipByValue
from keras_neural_opt.transforms._clip_by_block_rms import ClipByBlockRMS
from keras_neural_opt.transforms._gradient_centralization import GradientCentralization
from keras_neural_opt.transforms._gradient_noise import GradientNoise
from keras_neural_opt.transforms._normalize_gradients import NormalizeGradients
from keras_neural_opt.transforms._skip_large_updates import SkipLargeUpdates
from keras_neural_opt.transforms._skip_non_finite import SkipNonFinite
from keras_neural_opt.transforms._transform import GradientContext, GradientTransform

__all__ = [
    "AdaptiveGradientClipping",
    "AutoClip",
    "ClipByBlockRMS",
    "ClipByGlobalNorm",
    "ClipByNorm",
    "ClipByValue",
    "GradientCentralization",
    "GradientContext",
    "GradientNoise",
    "GradientTransform",
    "NormalizeGradients",
    "SkipLargeUpdates",
    "SkipNonFinite",
]
