"""How a search runs, apart from what is trained on what."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from keras_neural_opt._core.arguments import check_arguments, choice, flag, integer, optional, positive
from keras_neural_opt._core.named_options import configuration
from keras_neural_opt.hpo._constraints import constraints_of
from keras_neural_opt.hpo._objectives import objectives_of
from keras_neural_opt.hpo._project import checked_name
from keras_neural_opt.hpo._pruners import pruning
from keras_neural_opt.hpo._space import SearchSpace
from keras_neural_opt.hpo._warm_start import findings

OWNER = "create_hyperparameter_optimization_config"

# Each with its sampler and its pruner.
METHODS: dict[str, tuple[str, str | None]] = {
    "auto": ("auto", "auto"),
    "bayesian": ("bayesian", "auto"),
    "gp": ("gp", "auto"),
    "tpe": ("tpe", "auto"),
    "cma_es": ("cma_es", "auto"),
    "nsga2": ("nsga2", None),
    "random": ("random", "auto"),
    "qmc": ("qmc", "auto"),
    "grid": ("grid", "auto"),
    "asha": ("random", "asha"),
    "hyperband": ("random", "hyperband"),
    "bohb": ("tpe", "hyperband"),
}


def engine_of(method: str, epochs: int, pruner: Any = "auto") -> tuple[str, Any]:
    """Return the sampler and the pruner of a method, as `OptunaOracle` takes them.

    Args:
        method: A name of `METHODS`.
        epochs: Of a whole training.
        pruner: A pruner or the name of one; `"auto"`: the method's own.
    """
    sampler, usual = METHODS[method]
    chosen = usual if pruner == "auto" else pruner
    _, halving = pruning(chosen, epochs)
    return sampler, halving or chosen


def check_running(owner: str, config: Any) -> None:
    """Raise `ValueError` for the first option that breaks its rule, of those that every search has."""
    check_arguments(
        owner,
        early_stopping_patience=optional(integer(config.early_stopping_patience, 1)),
        epochs=integer(config.epochs, 1),
        batch_size=integer(config.batch_size, 1),
        trial_timeout=optional(positive(config.trial_timeout)),
        time_limit=optional(positive(config.time_limit)),
        seed=optional(integer(config.seed, 0, 2**31 - 1)),
        overwrite=flag(config.overwrite),
        workers=optional(integer(config.workers, 1)),
        verbose=integer(config.verbose, 0, 1),
    )
    checked_name(f"{owner}.project_name", config.project_name)


@dataclass(frozen=True)
class SearchConfig:
    """What `create_hyperparameter_optimization_config` returns; it documents the fields. Checked when made.

    Raises:
        ValueError: A value breaks its rule.
    """

    search_space: Any = None
    optimization_method: str = "auto"
    max_trials: int | None = 50
    early_stopping_patience: int | None = None
    objective: Any = None
    epochs: int = 20
    batch_size: int = 32
    optimizer: Any = None
    initial_weights: Any = None
    loss: Any = None
    metrics: Any = None
    pruner: Any = "auto"
    trial_patience: int | None = None
    trial_timeout: float | None = None
    time_limit: float | None = None
    executions_per_trial: int = 1
    cross_validation: int | None = None
    initial_points: Sequence[Mapping[str, Any]] = ()
    warm_start: Any = None
    constraints: Mapping[str, tuple[str, float]] | None = None
    seed: int | None = None
    directory: str | os.PathLike[str] | None = None
    project_name: str = "search"
    overwrite: bool = False
    storage: Any = None
    workers: int | None = None
    callbacks: Sequence[Any] = ()
    verbose: int = 1

    def __post_init__(self) -> None:
        check_arguments(
            OWNER,
            optimization_method=choice(self.optimization_method, METHODS),
            max_trials=optional(integer(self.max_trials, 1)),
            trial_patience=optional(integer(self.trial_patience, 1)),
            executions_per_trial=integer(self.executions_per_trial, 1),
            cross_validation=optional(integer(self.cross_validation, 2)),
        )
        check_running(OWNER, self)
        pruning(self.pruner, self.epochs)
        constraints_of(self.constraints)
        if self.warm_start is not None:
            findings(self.warm_start)
        objectives_of(self.objective if self.objective is not None else "loss")
        space = SearchSpace(self.search_space)
        for point in self.initial_points:
            space.drawn(point)
        if self.optimization_method == "grid" and space.configurations() is None:
            endless = [p.name for p in space if p.choices() is None]
            raise ValueError(f"{OWNER}.search_space must be finite for a grid; received {endless or 'too many points'}")
        object.__setattr__(self, "search_space", space)


def search_config(given: Any, keywords: Mapping[str, Any]) -> SearchConfig:
    """Return the checked configuration from a mapping, pairs, another configuration and keywords.

    Raises:
        ValueError: An option is unknown, comes twice or breaks its rule.
    """
    return configuration(SearchConfig, OWNER, given, keywords, {"method": "optimization_method"})
