"""What is searched as a hypermodel: a compiled model, a function that builds one, or a loss function."""

from collections.abc import Mapping
from typing import Any

import keras
import keras_tuner as kt
import numpy as np

from keras_neural_opt._core.arguments import did_you_mean
from keras_neural_opt.hpo._searched_optimizer import OF_COMPILE, OF_FIT, searched_optimizer, takes
from keras_neural_opt.hpo._space import SearchSpace
from keras_neural_opt.training._data import Data, count_batches, fit_arguments, is_dataset
from keras_neural_opt.training._function_model import FunctionModel

_OWNER = "hyperparameter_optimization"


class Searched(kt.HyperModel):
    """Trains on data that it knows, with what the search varies of `compile` and `fit`.

    Args:
        data: Training and validation data.
        space: What is varied.
        options: `epochs`, `batch_size`, `optimizer`, `loss`, `metrics`, and `folds` of a cross-validation.
    """

    def __init__(self, data: Data, space: SearchSpace, options: Mapping[str, Any]) -> None:
        super().__init__()
        self.data, self.space, self.options = data, space, options

    def fit(self, hp: Any, model: Any, *args: Any, **kwargs: Any) -> Any:
        """Train the model on this execution's part of the data."""
        data = self._fold(hp.execution)
        unused = next((name for name in self.space.names if name in hp.values and not self._is_used(hp, name)), None)
        if unused is not None:
            raise kt.errors.FatalValueError(
                f"search_space.{unused} must be asked for by the function that builds the model, or be one of"
                f" {', '.join((*OF_COMPILE, *OF_FIT))}; received a function that asked for"
                f" {sorted(hp.asked) or 'nothing'}{did_you_mean(unused, hp.asked)}"
            )
        return model.fit(
            **fit_arguments(self._whole(data.training), self._of_fit(hp, "batch_size"), True),
            epochs=self._of_fit(hp, "epochs"),
            validation_data=self._whole(data.validation),
            **kwargs,
        )

    def finish(self, model: Any, inputs: Any, batch_size: int) -> None:
        """Do to a model what is due after its last training."""

    def _whole(self, part: Any) -> Any:
        return part

    def _is_used(self, hp: Any, name: str) -> bool:
        return name in hp.asked or name in (*OF_COMPILE, *OF_FIT)

    def _of_fit(self, hp: Any, name: str) -> int:
        return int(hp.values.get(name, self.options[name]))

    def _optimizer(self, hp: Any, base: Any) -> Any:
        varied = self._varied_in_compile(hp)
        return searched_optimizer(base, {name: hp.get(name) for name in varied}, self._steps(hp))

    def _varied_in_compile(self, hp: Any) -> list[str]:
        return [name for name in self.space.names if name in hp.values and name not in OF_FIT]

    def _steps(self, hp: Any) -> int | None:
        batches = count_batches(self._fold(0).training, self._of_fit(hp, "batch_size"))
        return None if batches is None else batches * self._of_fit(hp, "epochs")

    def _fold(self, execution: int) -> Data:
        folds = self.options["folds"]
        if folds is None:
            return self.data
        count = len(keras.tree.flatten(self.data.training)[0])
        part = np.arange(count) % folds == execution % folds
        return Data(_rows(self.data.training, ~part), _rows(self.data.training, part))


class SearchedModel(Searched):
    """Clones a compiled model, with its weights."""

    def __init__(self, model: Any, *args: Any) -> None:
        super().__init__(*args)
        self.model, self._weights = model, model.get_weights()
        check_names(self.space, self.options["optimizer"] or model.optimizer)

    def build(self, hp: Any) -> Any:
        """Return a copy of the model, compiled with the trial's optimizer."""
        model = type(self.model).from_config(self.model.get_config())
        if not model.built:
            model.build_from_config(self.model.get_build_config())
        if self.model.built:
            model.set_weights(self._weights)
        arguments = _copied_arguments(self.model)
        optimizer = self._optimizer(hp, self.options["optimizer"] or self.model.optimizer)
        return _compiled(model, arguments, optimizer, self.options)


class SearchedBuilder(Searched):
    """Calls the user's function."""

    def __init__(self, builder: Any, *args: Any) -> None:
        super().__init__(*args)
        self._builder = builder.build if isinstance(builder, kt.HyperModel) else builder

    def build(self, hp: Any) -> Any:
        """Return the model, compiled with what the function left to the search."""
        model = self._builder(hp)
        if not isinstance(model, keras.Model):
            raise kt.errors.FatalTypeError(f"{_OWNER}: the function must return a Keras model; received {model!r}")
        left = [name for name in OF_COMPILE if name in self.space.names and name not in hp.asked]
        base = self.options["optimizer"] or getattr(model, "optimizer", None) or "adam"
        if left or getattr(model, "optimizer", None) is None:
            values = {name: hp.get(name) for name in left if name in hp.values}
            return _compiled(model, _arguments(model), searched_optimizer(base, values, self._steps(hp)), self.options)
        return model


class SearchedFunctions(Searched):
    """Trains the weights of a loss function."""

    def __init__(self, loss_function: Any, gradient_function: Any, *args: Any) -> None:
        super().__init__(*args)
        self._functions = loss_function, gradient_function
        check_names(self.space, self.options["optimizer"] or "adam")

    def build(self, hp: Any) -> Any:
        """Return the weights and the functions as a model."""
        eager = self._functions[1] is not None
        model = FunctionModel(*self._functions, self.options["initial_weights"], on_numpy=eager)
        model.compile(optimizer=self._optimizer(hp, self.options["optimizer"] or "adam"), run_eagerly=eager)
        return model

    def _whole(self, part: Any) -> Any:
        # A tuple of one keeps Keras from taking the structure of a user's batch apart.
        return (part,) if part is not None and not is_dataset(part) else part


def _copied_arguments(model: Any) -> Mapping[str, Any]:
    """Return what a model was compiled with; metrics, which have a state, are new where Keras can make them anew."""
    try:
        arguments: Mapping[str, Any] = keras.saving.deserialize_keras_object(model.get_compile_config() or {})
    except (TypeError, ValueError):  # such as a loss of a class that is not registered
        return _arguments(model)
    return arguments


def _arguments(model: Any) -> Mapping[str, Any]:
    arguments: Mapping[str, Any] = getattr(getattr(model, "_compile_config", None), "config", {})
    return arguments


def _compiled(model: Any, arguments: Mapping[str, Any], optimizer: Any, options: Mapping[str, Any]) -> Any:
    """Return the model, compiled as before but for what is given now."""
    given = {name: options[name] for name in ("loss", "metrics") if options[name] is not None}
    arguments = {**arguments, **given, "optimizer": optimizer}
    if arguments.get("loss") is None:
        raise kt.errors.FatalValueError(
            f"{_OWNER}.loss must be a Keras loss or its name where the model was not compiled with one; received None"
        )
    model.compile(**arguments)
    return model


def check_names(space: SearchSpace, base: Any) -> None:
    """Raise `ValueError` for a name that nobody would take."""
    choices = next((p for p in space if p.name == "optimizer"), None)
    candidates = [base] if choices is None else [choices.object(c) for c in choices.choices() or ()]
    for name in space.names:
        if name not in (*OF_COMPILE, *OF_FIT) and not any(takes(each, name) for each in candidates):
            known = (*OF_COMPILE, *OF_FIT)
            raise ValueError(
                f"search_space.{name} must be one of {', '.join(known)} or an argument of the optimizer, where no"
                f" function builds the model; received {name!r}{did_you_mean(name, known)}"
            )


def _rows(data: Any, mask: np.ndarray) -> Any:
    return keras.tree.map_structure(lambda array: np.asarray(array)[mask], data)
