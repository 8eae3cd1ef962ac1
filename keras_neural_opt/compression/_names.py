"""Compressors by name."""

from typing import Any

from keras_neural_opt._core.arguments import did_you_mean
from keras_neural_opt.compression._cast import Cast
from keras_neural_opt.compression._compressor import Compressor
from keras_neural_opt.compression._int4 import Int4
from keras_neural_opt.compression._int8 import Int8
from keras_neural_opt.compression._power_sgd import PowerSGD
from keras_neural_opt.compression._qsgd import QSGD
from keras_neural_opt.compression._random_k import RandomK
from keras_neural_opt.compression._sign_sgd import SignSGD
from keras_neural_opt.compression._tern_grad import TernGrad
from keras_neural_opt.compression._top_k import TopK

_CLASSES = {cls.__name__.lower(): cls for cls in (Cast, Int4, Int8, PowerSGD, QSGD, RandomK, SignSGD, TernGrad, TopK)}


def get(identifier: Any, **options: Any) -> Compressor:
    """Return a compressor, given its name or itself.

    Args:
        identifier: The name of a class that is around no other one, in any case, such as `"powersgd"`; or a compressor.
        **options: Arguments of the class, for a name only.

    Returns:
        A compressor; the same one where it was given.

    Raises:
        ValueError: The name or an option is unknown, or an option breaks its rule.

    Example:
        >>> import keras_neural_opt as kno
        >>> kno.compression.get("powersgd", rank=4)
        PowerSGD(rank=4, seed=0)
    """
    if isinstance(identifier, Compressor) and not options:
        return identifier
    if isinstance(identifier, str) and identifier.lower() in _CLASSES:
        made: Compressor = _CLASSES[identifier.lower()](**options)
        return made
    names = ", ".join(sorted(_CLASSES))
    hint = did_you_mean(identifier, _CLASSES)
    raise ValueError(f"compression must be a compressor, or one of {names}; received {identifier!r}{hint}")
