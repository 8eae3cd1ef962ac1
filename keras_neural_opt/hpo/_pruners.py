"""How trials that are not worth it end early, by name."""

from collections.abc import Callable
from typing import Any

from optuna.pruners import BasePruner, MedianPruner, NopPruner

from keras_neural_opt._core.arguments import did_you_mean
from keras_neural_opt.hpo._freeze_thaw import FreezeThaw
from keras_neural_opt.hpo._halving import Hyperband, SuccessiveHalving

PRUNERS: dict[str, Callable[[], BasePruner]] = {
    "auto": lambda: MedianPruner(n_startup_trials=5, n_warmup_steps=1),
    "median": MedianPruner,
    "none": NopPruner,
}
# What must know how long a whole training is.
_HALVINGS: dict[str, Callable[[int], SuccessiveHalving]] = {"hyperband": Hyperband, "freeze_thaw": FreezeThaw}


def pruning(pruner: Any, max_epochs: int | None = None) -> tuple[BasePruner, SuccessiveHalving | None]:
    """Return a pruner of Optuna, and what lets paused trials go on, or None.

    Args:
        pruner: A name, None, a pruner of Optuna, a `SuccessiveHalving`, a `Hyperband` or a `FreezeThaw`.
        max_epochs: Epochs of a whole training, which `"hyperband"` and `"freeze_thaw"` must know.

    Raises:
        ValueError: It is none of these.
    """
    if pruner is None or isinstance(pruner, SuccessiveHalving):
        return NopPruner(), pruner
    if isinstance(pruner, BasePruner):
        return pruner, None
    if pruner == "asha":
        return NopPruner(), SuccessiveHalving()
    if isinstance(pruner, str) and pruner in _HALVINGS and max_epochs is not None:
        return NopPruner(), _HALVINGS[pruner](max_epochs)
    if not isinstance(pruner, str) or pruner not in PRUNERS:
        names = [*PRUNERS, "asha", *(_HALVINGS if max_epochs is not None else ())]
        raise ValueError(
            f"OptunaOracle.pruner must be one of {', '.join(map(repr, names))}, None, a SuccessiveHalving, a Hyperband,"
            f" a FreezeThaw or a pruner of Optuna; received {pruner!r}{did_you_mean(pruner, names)}"
        )
    return PRUNERS[pruner](), None
