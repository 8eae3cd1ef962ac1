"""How trials that are not worth it end early, by name."""

from collections.abc import Callable
from typing import Any

from optuna.pruners import BasePruner, MedianPruner, NopPruner

from keras_neural_opt._core.arguments import did_you_mean
from keras_neural_opt.hpo._halved_start import HalvedStart
from keras_neural_opt.hpo._halving import Hyperband, SuccessiveHalving
from keras_neural_opt.hpo._hyperparameters import declared_space
from keras_neural_opt.hpo._objectives import objectives_of


def _median() -> BasePruner:
    return MedianPruner(n_startup_trials=5, n_warmup_steps=1)


PRUNERS: dict[str, Callable[[], BasePruner]] = {"auto": _median, "median": _median, "none": NopPruner}
_HALVINGS = ("asha", "halved_start", "hyperband")
# Samplers that learn from trainings that were paused.
_LEARNING = ("auto", "bayesian", "gp", "tpe")


def usual_pruner(
    objective: Any,
    max_trials: int | None,
    time_limit: float | None,
    *,
    sampler: Any = "auto",
    hyperparameters: Any = None,
    **_: Any,
) -> str:
    """Return what `"auto"` stands for where trainings can be paused and go on.

    Args:
        objective: As `OptunaOracle` takes it, as `max_trials`, `sampler` and `hyperparameters`, too.
        max_trials: Configurations at most, or None.
        time_limit: Seconds, or None.
        sampler: What draws.
        hyperparameters: What is searched, as far as that is known.
    """
    space = declared_space(hyperparameters)
    configurations = space.configurations() if len(space) else None
    limits = [max_trials, None if configurations is None else len(configurations)]
    enough = all(limit is None or limit >= 2 * HalvedStart().first for limit in limits)
    # Where the time may be up before a training of the start is whole, or the length of a training is searched, pauses
    # would do harm; the other samplers learn nothing of what was paused.
    harmless = len(objectives_of(objective)) == 1 and time_limit is None and "epochs" not in space.names
    return "halved_start" if enough and harmless and sampler in _LEARNING else "median"


def pruning(pruner: Any, max_epochs: int | None = None) -> tuple[BasePruner, SuccessiveHalving | None]:
    """Return a pruner of Optuna, and what lets paused trials go on, or None.

    Args:
        pruner: A name, None, a pruner of Optuna, a `HalvedStart`, a `SuccessiveHalving` or a `Hyperband`.
        max_epochs: Epochs of a whole training, which `"hyperband"` must know.

    Raises:
        ValueError: It is none of these.
    """
    if pruner == "halved_start" or isinstance(pruner, HalvedStart):
        return _median(), HalvedStart() if isinstance(pruner, str) else pruner
    if pruner is None or isinstance(pruner, SuccessiveHalving):
        return NopPruner(), pruner
    if isinstance(pruner, BasePruner):
        return pruner, None
    if pruner == "asha":
        return NopPruner(), SuccessiveHalving()
    if pruner == "hyperband" and max_epochs is not None:
        return NopPruner(), Hyperband(max_epochs)
    if not isinstance(pruner, str) or pruner not in PRUNERS:
        names = [*PRUNERS, *(_HALVINGS if max_epochs is not None else _HALVINGS[:-1])]
        raise ValueError(
            f"OptunaOracle.pruner must be one of {', '.join(map(repr, names))}, None, a HalvedStart, a"
            f" SuccessiveHalving, a Hyperband or a pruner of Optuna; received {pruner!r}{did_you_mean(pruner, names)}"
        )
    return PRUNERS[pruner](), None
