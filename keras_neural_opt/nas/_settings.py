"""How an architecture search runs."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from keras_neural_opt._core.arguments import check_arguments, choice, flag, integer, optional, positive
from keras_neural_opt._core.named_options import configuration
from keras_neural_opt.hpo._constraints import constraints_of
from keras_neural_opt.hpo._objectives import objectives_of
from keras_neural_opt.hpo._settings import check_running
from keras_neural_opt.hpo._space import SearchSpace as Hyperparameters
from keras_neural_opt.nas._architecture_space import SearchSpace
from keras_neural_opt.nas._measures import MEASURES
from keras_neural_opt.nas._predictors import OF_ONE_OBJECTIVE, PREDICTORS
from keras_neural_opt.nas._spaces import SPACES
from keras_neural_opt.nas._strategies import STRATEGIES

OWNER = "create_nas_config"

# Options that are limits of measures.
_LIMITS = {f"max_{name}": name for name in MEASURES}


@dataclass(frozen=True)
class ArchitectureSearchConfig:
    """What `create_nas_config` returns; it documents the fields. Checked when made.

    Raises:
        ValueError: A value breaks its rule.
    """

    search_space: Any = "mobilenet_v3"
    search_strategy: str = "auto"
    population_size: int = 20
    generations: int = 50
    performance_predictor: str = "auto"
    objective: Any = None
    max_params: float | None = None
    max_flops: float | None = None
    max_memory_mb: float | None = None
    max_latency_ms: float | None = None
    constraints: Mapping[str, tuple[str, float]] | None = None
    joint: Any = None
    inherit_weights: bool = False
    classes: int | None = None
    loss: Any = None
    metrics: Any = None
    optimizer: Any = "adamw"
    epochs: int = 20
    batch_size: int = 32
    early_stopping_patience: int | None = None
    trial_timeout: float | None = None
    time_limit: float | None = None
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
            search_strategy=choice(self.search_strategy, STRATEGIES),
            population_size=integer(self.population_size, 2),
            generations=integer(self.generations, 1),
            performance_predictor=choice(self.performance_predictor, PREDICTORS),
            **{name: optional(positive(getattr(self, name))) for name in _LIMITS},
            inherit_weights=flag(self.inherit_weights),
            classes=optional(integer(self.classes, 2)),
        )
        check_running(OWNER, self)
        self._check_space()
        twice = next((each.metric for each in constraints_of(self.constraints) if each.metric in self.limits), None)
        if twice is not None:
            raise ValueError(f"{OWNER}.constraints must not have {twice!r} where max_{twice} is given; received both")
        if self.objective is not None:
            self._check_predictor(len(objectives_of(known_directions(self.objective))))

    def _check_space(self) -> None:
        if isinstance(self.search_space, str):
            check_arguments(OWNER, search_space=choice(self.search_space, SPACES))
        elif not isinstance(self.search_space, SearchSpace):
            raise ValueError(
                f"{OWNER}.search_space must be one of {', '.join(SPACES)}, or a kno.nas.SearchSpace; received"
                f" {self.search_space!r}"
            )
        if self.joint is not None:
            Hyperparameters(self.joint)
            if self.search_strategy == "one_shot":
                raise ValueError(
                    f"{OWNER}.joint must be None with 'one_shot', which ranks networks alone; received {self.joint!r}"
                )

    def _check_predictor(self, objectives: int) -> None:
        if objectives > 1 and self.performance_predictor in OF_ONE_OBJECTIVE:
            raise ValueError(
                f"{OWNER}.performance_predictor must be 'auto' or 'none' with several objectives, of which no network"
                f" is the worst; received {self.performance_predictor!r}"
            )

        if self.search_strategy == "one_shot" and (objectives > 1 or self.objective in MEASURES):
            raise ValueError(
                f"{OWNER}.search_strategy must be another than 'one_shot', which ranks by the loss, with several"
                f" objectives or one that needs no training; received {self.objective!r}"
            )

    @property
    def limits(self) -> dict[str, float]:
        """The measures that have a limit, each with it."""
        given = {name: getattr(self, option) for option, name in _LIMITS.items()}
        return {name: float(limit) for name, limit in given.items() if limit is not None}


def known_directions(objective: Any) -> Any:
    """Return an objective in which the measures are minimized."""
    if isinstance(objective, list):
        return [known_directions(each) for each in objective]
    return (objective, "min") if isinstance(objective, str) and objective in MEASURES else objective


def nas_config(given: Any, keywords: Mapping[str, Any]) -> ArchitectureSearchConfig:
    """Return the checked configuration from a mapping, pairs, another configuration and keywords.

    Raises:
        ValueError: An option is unknown, comes twice or breaks its rule.
    """
    return configuration(ArchitectureSearchConfig, OWNER, given, keywords, {"strategy": "search_strategy"})
