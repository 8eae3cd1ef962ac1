"""Optuna's pruners by name."""

from collections.abc import Callable
from typing import Any

from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, NopPruner, SuccessiveHalvingPruner

from keras_neural_opt._core.arguments import did_you_mean

PRUNERS: dict[str, Callable[[], BasePruner]] = {
    "auto": lambda: MedianPruner(n_startup_trials=5, n_warmup_steps=1),
    "median": MedianPruner,
    "asha": SuccessiveHalvingPruner,
    "hyperband": HyperbandPruner,
    "none": NopPruner,
}


def pruner_of(pruner: Any) -> BasePruner:
    """Return the pruner of a name of `PRUNERS`, one of Optuna as it is, or for None one that prunes nothing.

    Raises:
        ValueError: It is neither.
    """
    if pruner is None:
        return NopPruner()
    if isinstance(pruner, BasePruner):
        return pruner
    if not isinstance(pruner, str) or pruner not in PRUNERS:
        names = ", ".join(map(repr, PRUNERS))
        raise ValueError(
            f"OptunaOracle.pruner must be one of {names}, None, or a pruner of Optuna;"
            f" received {pruner!r}{did_you_mean(pruner, PRUNERS)}"
        )
    return PRUNERS[pruner]()
