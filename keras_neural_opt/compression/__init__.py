"""Gradient compression: fewer bytes between workers."""

from keras_neural_opt.compression._cast import Cast
from keras_neural_opt.compression._chain import Chain
from keras_neural_opt.compression._codec import Codec
from keras_neural_opt.compression._compressor import Compressor, Reduced, State
from keras_neural_opt.compression._error_feedback import ErrorFeedback
from keras_neural_opt.compression._int4 import Int4
from keras_neural_opt.compression._int8 import Int8
from keras_neural_opt.compression._layout import Layout
from keras_neural_opt.compression._names import get
from keras_neural_opt.compression._power_sgd import PowerSGD
from keras_neural_opt.compression._qsgd import QSGD
from keras_neural_opt.compression._random_k import RandomK
from keras_neural_opt.compression._sign_sgd import SignSGD
from keras_neural_opt.compression._simulated import simulate
from keras_neural_opt.compression._skip_small import SkipSmall
from keras_neural_opt.compression._tern_grad import TernGrad
from keras_neural_opt.compression._top_k import TopK
from keras_neural_opt.compression._transport import Transport
from keras_neural_opt.compression._warm_up import WarmUp

__all__ = [
    "Cast",
    "Chain",
    "Codec",
    "Compressor",
    "ErrorFeedback",
    "Int4",
    "Int8",
    "Layout",
    "PowerSGD",
    "QSGD",
    "RandomK",
    "Reduced",
    "SignSGD",
    "SkipSmall",
    "State",
    "TernGrad",
    "TopK",
    "Transport",
    "WarmUp",
    "get",
    "simulate",
]
