"""The best configuration, trained on all data there are."""

from typing import Any

import keras
import numpy as np

from keras_neural_opt.callbacks import ScheduleInEpochs
from keras_neural_opt.hpo._result import SearchedTrial
from keras_neural_opt.training._data import fit_arguments, is_dataset


def retrained(tuner: Any, trial: SearchedTrial, epochs: int | None, optimizer: Any = None) -> Any:
    """Return a new model of a trial's configuration, trained on its training and validation data.

    Args:
        tuner: The tuner of a search by `hyperparameter_optimization`.
        trial: The trial.
        epochs: Passes over the data; None: as many as the trial's best epoch had.
        optimizer: As `compile` takes it; None: the trial's.

    Raises:
        ValueError: The data are no arrays, or the tuner does not know them.
    """
    data = getattr(tuner.hypermodel, "data", None)
    parts = [] if data is None else [part for part in (data.training, data.validation) if part is not None]
    if not parts or any(is_dataset(part) for part in parts):
        raise ValueError(
            "SearchResult.retrain needs a search by hyperparameter_optimization on arrays; received"
            f" {'datasets' if parts else 'a tuner of your own'}. Build the model with its hypermodel, and fit it"
        )
    shown = tuner.oracle.get_trial(f"{trial.number:04d}")
    hyperparameters = shown.hyperparameters
    model = tuner._try_build(hyperparameters)
    if optimizer is not None:
        _give(model, optimizer)
    whole = keras.tree.map_structure(lambda *arrays: np.concatenate([np.asarray(a) for a in arrays]), *parts)
    batch_size = tuner.hypermodel._of_fit(hyperparameters, "batch_size")
    arguments = fit_arguments(tuner.hypermodel._whole(whole), batch_size, True)
    epochs = shown.best_step + 1 if epochs is None else epochs
    model.fit(**arguments, epochs=epochs, callbacks=[ScheduleInEpochs()], verbose=0)
    tuner.hypermodel.finish(model, arguments["x"], batch_size)
    return model


def _give(model: Any, optimizer: Any) -> None:
    """Compile with another optimizer, and leave loss and metrics as they are, which may be anything."""
    scaled = isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)
    new = keras.optimizers.get(optimizer)
    wrap = scaled and not isinstance(new, keras.optimizers.LossScaleOptimizer)
    model.optimizer = keras.optimizers.LossScaleOptimizer(new, name="loss_scale_optimizer") if wrap else new
    # A file of the model has what it was compiled with from here.
    model._compile_config.config["optimizer"] = model.optimizer
