"""What a rule is written with.

`Tensors` is a list of tensors treated as one value. Functions that update their first argument (`ema`, `descend`, ...)
consume it: use what they return, and not the argument, from then on.
"""

from keras_neural_opt._core.norms import norm
from keras_neural_opt._core.tensors import (
    Scalar,
    Tensors,
    absolute,
    add_product,
    add_quotient,
    add_scaled,
    bias_correction,
    blend,
    clip,
    decay,
    descend,
    ema,
    ema_of_square,
    lerp,
    maximum,
    root,
    running_maximum,
    scale,
    select,
    shift,
    sign,
    square,
)

__all__ = [
    "Scalar",
    "Tensors",
    "absolute",
    "add_product",
    "add_quotient",
    "add_scaled",
    "bias_correction",
    "blend",
    "clip",
    "decay",
    "descend",
    "ema",
    "ema_of_square",
    "lerp",
    "maximum",
    "norm",
    "root",
    "running_maximum",
    "scale",
    "select",
    "shift",
    "sign",
    "square",
]
