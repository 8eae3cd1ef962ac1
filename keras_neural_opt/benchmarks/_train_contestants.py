"""Who takes part in the training benchmark, and around which learning rate each is tuned."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras

from keras_neural_opt import optimizers


@dataclass(frozen=True)
class Contestant:
    """An optimizer of a learning rate and a decoupled weight decay.

    Args:
        make: Makes it.
        rate: The middle of the learning rates that are tried.
    """

    make: Callable[[float, float], Any]
    rate: float


# Where users begin, with a warm-up and a rate that falls to 0. A default rate would not do: those of SGD and Adadelta
# are ten to a thousand times too small for anybody.
_RATES = {
    "SGD": 0.1, "RMSprop": 3e-3, "Adagrad": 0.1, "Adadelta": 3.0,
    "Adam": 1e-2, "AdamW": 1e-2, "RAdam": 1e-2, "AdaBound": 1e-2, "Nadam": 1e-2, "Adamax": 2e-2, "AdaBelief": 1e-2,
    "Yogi": 2e-2, "Adan": 1e-2, "AdamP": 1e-2, "SGDP": 0.1, "ADOPT": 1e-2, "AdEMAMix": 1e-2, "LazyAdam": 1e-2,
    "MARS": 1e-2, "NovoGrad": 2e-2, "Lion": 2e-3, "Adafactor": 0.1, "CAME": 1e-2,
    "LARS": 0.3, "LAMB": 3e-2,
}  # fmt: skip

_OPTIONS: dict[str, dict[str, Any]] = {
    "SGD": {"momentum": 0.9},
    # Else it would be the rate that it is made with, which is not the one that it is trained with: its last rate,
    # that of SGD, is searched along.
    "AdaBound": {"base_learning_rate": 0.01},
    # Biases, which have no trust ratio, move at the full rate: with the default coefficient either they diverge or
    # the kernels stand still, where no batch normalization keeps the biases harmless.
    "LARS": {"trust_coefficient": 0.02},
}

KERAS_ADAMW = "Keras AdamW"


def _ours(cls: type) -> Contestant:
    options = _OPTIONS.get(cls.__name__, {})
    return Contestant(
        lambda rate, decay: cls(rate, weight_decay=decay, **options),
        _RATES[cls.__name__],
    )


def contestants() -> dict[str, Contestant]:
    """Return every optimizer that `optimizers.available()` lists, and Keras' AdamW."""
    classes = (type(optimizers.get(name)) for name in optimizers.available())
    baseline = Contestant(lambda rate, decay: keras.optimizers.AdamW(rate, weight_decay=decay), _RATES["AdamW"])
    return {cls.__name__: _ours(cls) for cls in classes} | {KERAS_ADAMW: baseline}
