"""The one call that searches for an architecture."""

import dataclasses
import inspect
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from keras_neural_opt.hpo._objectives import objectives_of
from keras_neural_opt.hpo._records import empty_space
from keras_neural_opt.hpo._searched import check_names
from keras_neural_opt.hpo._searched_optimizer import OF_COMPILE, OF_FIT, class_of
from keras_neural_opt.hpo._space import SearchSpace as Hyperparameters
from keras_neural_opt.nas._architecture_space import SearchSpace
from keras_neural_opt.nas._fitting import fitting
from keras_neural_opt.nas._genotype_sampler import GenotypeSampler
from keras_neural_opt.nas._joint import on_levels
from keras_neural_opt.nas._predictors import pruner_of, screen_of, shares_weights
from keras_neural_opt.nas._result import ArchitectureSearchResult
from keras_neural_opt.nas._searched_architecture import SearchedArchitecture
from keras_neural_opt.nas._settings import ArchitectureSearchConfig, known_directions
from keras_neural_opt.nas._shared_weights import LossWithin, SharedWeights
from keras_neural_opt.nas._spaces import SPACES
from keras_neural_opt.nas._strategies import STRATEGIES
from keras_neural_opt.nas._task import Task, task_of, with_held_out
from keras_neural_opt.nas._tuner import ArchitectureTuner
from keras_neural_opt.training._data import Data

_OWNER = "neural_architecture_search"
_OF_FIT = ("epochs", "batch_size", "optimizer", "loss", "metrics")


def search(training_data: Any, validation_data: Any, config: ArchitectureSearchConfig) -> ArchitectureSearchResult:
    """Check everything, then search; the arguments are those of `keras_neural_opt.neural_architecture_search`."""
    class_of(config.optimizer)
    check_names(Hyperparameters(config.joint) if config.joint is not None else empty_space(), config.optimizer)
    data = with_held_out(Data(training_data, validation_data, f"{_OWNER}.training_data"), config.seed)
    task = _task(data, config)
    space = _space(config.search_space, task)
    _check_genes(space)
    if config.loss is None:
        task = fitting(task, space)
    objective = known_directions(task.objective if config.objective is None else config.objective)
    names = [each.name for each in objectives_of(objective)]
    constraints = {**(config.constraints or {}), **{name: ("<=", limit) for name, limit in config.limits.items()}}
    varied = Hyperparameters([*space.genes, *on_levels(config.joint)])
    shared = _shared(space, task, data, config)
    # Its time takes longer to measure than its loss.
    quick = {name: limit for name, limit in config.limits.items() if name != "latency_ms"}
    judge = None if shared is None else LossWithin(shared, quick)
    options = {**{name: getattr(config, name) for name in _OF_FIT}, "initial_weights": None, "folds": None}
    tuner = ArchitectureTuner(
        SearchedArchitecture(space, task, config.limits, [*names, *constraints], data, varied, options),
        objective,
        config.population_size * config.generations,
        sampler=partial(_strategy, config.search_strategy, config.population_size, judge),
        inherits=config.inherit_weights,
        screen=screen_of(config.performance_predictor, varied, shared),
        pruner=pruner_of(config.performance_predictor, len(names), config.time_limit, config.epochs),
        hyperparameters=varied,
        patience=config.early_stopping_patience,
        constraints=constraints,
        storage=config.storage,
        seed=config.seed,
        trial_timeout=config.trial_timeout,
        time_limit=config.time_limit,
        directory=config.directory,
        project_name=config.project_name,
        overwrite=config.overwrite,
    )
    if shared is not None:
        shared.train()
    tuner.search(callbacks=list(config.callbacks), workers=config.workers, verbose=config.verbose)
    return ArchitectureSearchResult(tuner)


def _check_genes(space: SearchSpace) -> None:
    name = next((name for name in space.genes.names if name in (*OF_COMPILE, *OF_FIT)), None)
    if name is not None:
        raise ValueError(
            f"{_OWNER}.search_space must have genes of networks alone; received {name!r}, which is one of how they are"
            " trained. Search it together with them: joint=[...]"
        )


def _strategy(name: str, population: int, judge: Any, seed: int, space: Hyperparameters) -> GenotypeSampler:
    cls = STRATEGIES[name]
    possible, taken = {"population": population, "evaluate": judge}, inspect.signature(cls).parameters
    return cls(space, seed, **{option: value for option, value in possible.items() if option in taken})


def _shared(space: SearchSpace, task: Task, data: Data, config: ArchitectureSearchConfig) -> SharedWeights | None:
    """Return the weights that all networks share, as yet untrained, or None."""
    if not shares_weights(config.performance_predictor, config.search_strategy):
        return None
    space.elastic(task.input_shape, task.outputs)  # Raises now what it would later.
    return SharedWeights(
        space,
        task,
        data,
        epochs=config.epochs,
        batch_size=config.batch_size,
        seed=config.seed,
        folder=Path("." if config.directory is None else config.directory) / config.project_name,
        verbose=config.verbose,
    )


def _task(data: Data, config: ArchitectureSearchConfig) -> Task:
    task = task_of(data, config.classes)
    given = {name: getattr(config, name) for name in ("loss", "metrics") if getattr(config, name) is not None}
    if not given:
        return task
    # Whose name the objective has may not be measured any more.
    names = [each for each in given.get("metrics", task.metrics) if isinstance(each, str)]
    kept: Sequence[str] = [f"val_{name}" for name in names]
    objective = task.objective if task.objective in kept else "val_loss"
    return dataclasses.replace(task, **given, objective=objective)


def _space(given: Any, task: Task) -> SearchSpace:
    return given if isinstance(given, SearchSpace) else SPACES[given](classifier_activation=task.activation)
