"""One call that trains, whatever is trained: two functions or a Keras model."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from keras_neural_opt import optimizers
from keras_neural_opt.training._data import Data, count_batches, fit_arguments, is_dataset
from keras_neural_opt.training._early_stopping import EarlyStopping
from keras_neural_opt.training._epochs import count_epochs
from keras_neural_opt.training._function_model import FunctionModel
from keras_neural_opt.training._result import TrainingResult
from keras_neural_opt.training._settings import OWNER, Settings

_TRACED = (
    f"{OWNER}: gradient_function is None, so the backend traces and differentiates loss_function: compute the loss with"
    " keras.ops or the backend's own functions, not with NumPy, or pass a gradient_function."
)


def train(
    model_or_loss: Any,
    gradient_function: Any,
    initial_weights: Any,
    data: Data,
    optimizer: Any,
    loss: Any,
    callbacks: Sequence[Any],
    settings: Settings,
    prepare: Callable[[keras.Model], Any] | None = None,
) -> TrainingResult:
    """Check everything, then train; the arguments are those of `keras_neural_opt.train_neural_network`.

    `prepare` is called with the compiled model.
    """
    optimizer = _checked_optimizer(optimizer, model_or_loss)
    batches = _batches(data.training, settings)
    is_model = isinstance(model_or_loss, keras.Model)
    (_check_model if is_model else _check_functions)(model_or_loss, gradient_function, initial_weights, loss)
    count_epochs(OWNER, optimizer, batches, model_or_loss if is_model else None)
    if settings.seed is not None:
        keras.utils.set_random_seed(settings.seed)
    if is_model:
        model = _compiled_model(model_or_loss, initial_weights, optimizer, loss, settings)
    else:
        model = _compiled_functions(model_or_loss, gradient_function, initial_weights, optimizer, settings)
    if prepare is not None:
        prepare(model)
    history = _fit(model, data, callbacks, settings)
    weights = model.get_weights() if is_model else model.pack(model.get_weights())
    return TrainingResult(weights, {name: [float(value) for value in values] for name, values in history.items()})


def _checked_optimizer(optimizer: Any, model: Any) -> Any:
    if isinstance(optimizer, str):
        return optimizers.get(optimizer)
    if not isinstance(optimizer, keras.optimizers.Optimizer):
        raise ValueError(f"{OWNER}.optimizer must be a name or a Keras optimizer; received {optimizer!r}")
    if optimizer.built and getattr(model, "optimizer", None) is not optimizer:
        raise ValueError(
            f"{OWNER}.optimizer must be new for each training; received one whose state belongs to other weights."
            " Call create_neural_optimizer again"
        )
    return optimizer


def _check_functions(loss_function: Any, gradient_function: Any, initial_weights: Any, loss: Any) -> None:
    if not callable(loss_function):
        raise ValueError(f"{OWNER}.loss_function must be a function or a Keras model; received {loss_function!r}")
    if gradient_function is not None and not callable(gradient_function):
        raise ValueError(f"{OWNER}.gradient_function must be None or a function; received {gradient_function!r}")
    if loss is not None:
        raise ValueError(f"{OWNER}.loss must be None unless a Keras model is trained; received {loss!r}")
    arrays = keras.tree.flatten(initial_weights)
    if not arrays or not all(_is_numeric(array) for array in arrays):
        raise ValueError(
            f"{OWNER}.initial_weights must be an array, or lists, tuples and dictionaries of arrays of numbers;"
            f" received {initial_weights!r}"
        )


def _is_numeric(array: Any) -> bool:
    return array is not None and np.asarray(keras.ops.convert_to_numpy(array)).dtype.kind in "fiu"


def _check_model(model: Any, gradient_function: Any, initial_weights: Any, loss: Any) -> None:
    if gradient_function is not None:
        raise ValueError(
            f"{OWNER}.gradient_function must be None when a Keras model is trained; received {gradient_function!r}"
        )
    if loss is None and getattr(model, "loss", None) is None:
        raise ValueError(
            f"{OWNER}.loss must be a Keras loss or its name where the model was not compiled with one; received None"
        )


def _batches(training_data: Any, settings: Settings) -> int | None:
    batches = settings.steps_per_epoch or count_batches(training_data, settings.batch_size)
    if batches is None and not hasattr(training_data, "element_spec"):
        raise ValueError(f"{OWNER}.steps_per_epoch must be given for data that does not know its length; received None")
    return batches


def _compiled_functions(
    loss_function: Any, gradient_function: Any, initial_weights: Any, optimizer: Any, settings: Settings
) -> FunctionModel:
    eager = settings.run_eagerly
    if eager is None:
        eager = gradient_function is not None and not settings.jit_compile
    model = FunctionModel(loss_function, gradient_function, initial_weights, on_numpy=eager)
    model.compile(optimizer=optimizer, run_eagerly=eager, jit_compile=_or_auto(settings.jit_compile))
    return model


def _compiled_model(model: Any, initial_weights: Any, optimizer: Any, loss: Any, settings: Settings) -> Any:
    if initial_weights is not None:
        model.set_weights(initial_weights)
    # Keras keeps the metrics of an earlier compile where none are given, and forgets everything else.
    compiled = getattr(getattr(model, "_compile_config", None), "config", {})
    earlier = {name: compiled[name] for name in ("loss_weights", "steps_per_execution") if name in compiled}
    if loss is not None:
        earlier.pop("loss_weights", None)
    model.compile(
        optimizer=optimizer,
        loss=model.loss if loss is None else loss,
        run_eagerly=compiled.get("run_eagerly", False) if settings.run_eagerly is None else settings.run_eagerly,
        jit_compile=compiled.get("jit_compile", "auto") if settings.jit_compile is None else settings.jit_compile,
        **earlier,
    )
    return model


def _or_auto(jit_compile: bool | None) -> bool | str:
    return "auto" if jit_compile is None else jit_compile


def _fit(model: Any, data: Data, callbacks: Sequence[Any], settings: Settings) -> dict[str, list[Any]]:
    is_functions = isinstance(model, FunctionModel)

    def whole(part: Any) -> Any:
        # A tuple of one keeps Keras from taking the structure of a user's batch apart.
        return (part,) if is_functions and part is not None and not is_dataset(part) else part

    if settings.early_stopping_patience is not None:
        callbacks = [*callbacks, _early_stopping(data, settings.early_stopping_patience)]
    try:
        return model.fit(
            **fit_arguments(whole(data.training), settings.batch_size, settings.shuffle),
            epochs=settings.epochs,
            steps_per_epoch=settings.steps_per_epoch,
            validation_data=whole(data.validation),
            validation_steps=settings.validation_steps,
            callbacks=list(callbacks),
            verbose=0,
        ).history
    except Exception as error:
        if (
            is_functions
            and model.gradient_function is None
            and isinstance(error, (TypeError, ValueError, AttributeError))
        ):
            error.add_note(_TRACED)
        raise


def _early_stopping(data: Data, patience: int) -> Any:
    monitor = "loss" if data.validation is None else "val_loss"
    return EarlyStopping(monitor=monitor, mode="min", patience=patience)
