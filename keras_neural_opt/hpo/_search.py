"""One call that searches, whatever is searched: functions, a model, or a function that builds one."""

from collections.abc import Sequence
from typing import Any

import keras
import keras_tuner as kt

from keras_neural_opt.callbacks import EarlyStopping
from keras_neural_opt.hpo._oracle import OptunaOracle
from keras_neural_opt.hpo._result import SearchResult
from keras_neural_opt.hpo._searched import Searched, SearchedBuilder, SearchedFunctions, SearchedModel
from keras_neural_opt.hpo._settings import SearchConfig, engine_of
from keras_neural_opt.hpo._tuner import OptunaTuner
from keras_neural_opt.training._data import Data, is_dataset

_OWNER = "hyperparameter_optimization"


def search(
    loss_function: Any, gradient_function: Any, training_data: Any, validation_data: Any, config: SearchConfig
) -> SearchResult:
    """Check everything, then search; the arguments are those of `keras_neural_opt.hyperparameter_optimization`."""
    data = Data(training_data, validation_data, f"{_OWNER}.training_data")
    searched = _searched(loss_function, gradient_function, data, config)
    sampler, pruner = engine_of(config.optimization_method, config.epochs, config.pruner)
    # Points that the user knows to be good are trained whole.
    pruner = "median" if pruner == "auto" and config.initial_points else pruner
    tuner = OptunaTuner(
        searched,
        config.objective if config.objective is not None else _objective(data, config),
        config.max_trials,
        sampler=sampler,
        pruner=pruner,
        hyperparameters=config.search_space,
        patience=config.early_stopping_patience,
        constraints=config.constraints,
        storage=config.storage,
        seed=config.seed,
        executions_per_trial=config.cross_validation or config.executions_per_trial,
        trial_timeout=config.trial_timeout,
        time_limit=config.time_limit,
        directory=config.directory,
        project_name=config.project_name,
        overwrite=config.overwrite,
    )
    tuner.oracle.begin_with(config.initial_points)
    if config.warm_start is not None:
        tuner.oracle.learn_from(config.warm_start)
    tuner.search(callbacks=_callbacks(config, tuner.oracle), workers=config.workers, verbose=config.verbose)
    return SearchResult(tuner)


def _searched(loss_function: Any, gradient_function: Any, data: Data, config: SearchConfig) -> Searched:
    options = {
        **{
            name: getattr(config, name)
            for name in ("epochs", "batch_size", "optimizer", "initial_weights", "loss", "metrics")
        },
        "folds": _folds(data, config),
    }
    arguments = data, config.search_space, options
    if isinstance(loss_function, keras.Model):
        _check_no_gradient(gradient_function)
        if config.loss is None and getattr(loss_function, "loss", None) is None:
            raise ValueError(f"{_OWNER}.loss must be given for a model that was not compiled; received None")
        return SearchedModel(loss_function, *arguments)
    if not callable(loss_function) and not isinstance(loss_function, kt.HyperModel):
        raise ValueError(
            f"{_OWNER}.loss_function must be a loss function, a Keras model, or a function of hyperparameters that"
            f" returns one; received {loss_function!r}"
        )
    if config.initial_weights is not None:
        return SearchedFunctions(loss_function, gradient_function, *arguments)
    if gradient_function is not None:
        raise ValueError(
            f"{_OWNER}.initial_weights must be given with a loss function and its gradient: the search begins each"
            " trial there; received None"
        )
    return SearchedBuilder(loss_function, *arguments)


def _check_no_gradient(gradient_function: Any) -> None:
    if gradient_function is not None:
        raise ValueError(
            f"{_OWNER}.gradient_function must be None where a Keras model is searched; received {gradient_function!r}"
        )


def _folds(data: Data, config: SearchConfig) -> int | None:
    if config.cross_validation is None:
        return None
    if is_dataset(data.training) or data.validation is not None:
        raise ValueError(
            f"{_OWNER}.cross_validation must be None unless the training data are arrays and there are no validation"
            f" data; received {config.cross_validation}"
        )
    if len(keras.tree.flatten(data.training)[0]) < config.cross_validation:
        raise ValueError(
            f"{_OWNER}.cross_validation must be at most the number of samples; received {config.cross_validation}"
        )
    return config.cross_validation


def _objective(data: Data, config: SearchConfig) -> str:
    return "loss" if data.validation is None and config.cross_validation is None else "val_loss"


def _callbacks(config: SearchConfig, oracle: OptunaOracle) -> Sequence[Any]:
    if config.trial_patience is None:
        return list(config.callbacks)
    first = oracle.objectives[0]
    stop = EarlyStopping(monitor=first.name, mode=first.direction, patience=config.trial_patience)
    return [*config.callbacks, stop]
