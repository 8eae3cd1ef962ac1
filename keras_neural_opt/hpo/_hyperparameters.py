"""KerasTuner's hyperparameters over Optuna: what a model asks for is drawn when it asks."""

from collections.abc import Callable, Mapping
from typing import Any

import keras_tuner as kt
from keras_tuner.src.engine import conditions as kt_conditions
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from keras_neural_opt.hpo._kinds import last_of
from keras_neural_opt.hpo._parameter import Condition, Mirrored, Parameter
from keras_neural_opt.hpo._records import empty_space
from keras_neural_opt.hpo._space import SearchSpace


class SuggestedHyperParameters(kt.HyperParameters):
    """Hyperparameters whose values an oracle draws at the first time that they are asked for.

    Args:
        suggest: Returns the value of a parameter that has none yet; it is told the default, too.
    """

    def __init__(self, suggest: Callable[[Parameter, Any], Any] | None = None) -> None:
        super().__init__()
        self._suggest = suggest
        self._objects: dict[str, Mapping[str, Any]] = {}
        self.asked: set[str] = set()
        # Which of the trainings of this configuration is at work.
        self.execution = 0
        # How many configurations were begun before it.
        self.place = 0
        # Which trial it goes on with, and from which epoch on.
        self.continues: str | None = None
        self.initial_epoch = 0
        # What is known of the model without a training.
        self.measured: dict[str, float] = {}

    def fill(self, values: Mapping[str, Any], parameters: list[Parameter]) -> None:
        """Set values by name; labels stand for the objects of their parameters."""
        self.values = dict(values)
        self._objects = {p.name: p.objects for p in parameters if p.objects is not None}

    def get(self, name: str) -> Any:
        """Return the value, or what its label stands for."""
        self.asked.add(self._get_name(name))
        value = super().get(name)
        return self._objects[name][value] if name in self._objects else value

    def _retrieve(self, hp: Any) -> Any:
        self.asked.add(hp.name)
        value = super()._retrieve(hp)
        return self._objects[hp.name][value] if hp.name in self._objects and value is not None else value

    def _register(self, hyperparameter: Any, overwrite: bool = False) -> Any:
        hp = hyperparameter
        if self._suggest is not None and hp.name not in self.values and self.is_active(hp):
            parameter = from_keras(hp)
            if parameter is not None:
                self.values[hp.name] = self._suggest(parameter, hp.default)
        return super()._register(hp, overwrite)


def from_keras(hp: Any) -> Parameter | None:
    """Return the parameter that KerasTuner's hyperparameter is, or None for a fixed one.

    Raises:
        ValueError: It is of a kind that is not known.
    """
    when = tuple(Condition(c.name, tuple(c.values)) for c in hp.conditions)
    # KerasTuner may have several of one name under different conditions.
    key = hp.name + "".join(f" [{parent}={'|'.join(map(str, values))}]" for parent, values in when)
    if isinstance(hp, kt.engine.hyperparameters.Fixed):
        return None
    if isinstance(hp, kt.engine.hyperparameters.Boolean):
        return Parameter(hp.name, CategoricalDistribution((False, True)), when, key=key)
    if isinstance(hp, kt.engine.hyperparameters.Choice):
        return Parameter(hp.name, CategoricalDistribution(tuple(dict.fromkeys(hp.values))), when, key=key)
    if isinstance(hp, (kt.engine.hyperparameters.Int, kt.engine.hyperparameters.Float)):
        return _numerical(hp, when, key)
    raise ValueError(f"hyperparameter {hp.name!r} must be a Boolean, Choice, Fixed, Float or Int; received {hp!r}")


def _numerical(hp: Any, when: tuple[Condition, ...], key: str) -> Parameter:
    whole = isinstance(hp, kt.engine.hyperparameters.Int)
    low, high = hp.min_value, hp.max_value
    if hp.sampling != "linear" and hp.step is not None:
        # A ladder whose rungs are factors apart, which Optuna does not have.
        rungs = [hp._get_value_by_index(i) for i in range(hp._get_n_values())]
        return Parameter(
            hp.name, CategoricalDistribution([int(x) if whole else float(x) for x in rungs]), when, key=key
        )
    log, reading = hp.sampling != "linear", Mirrored(low + high) if hp.sampling == "reverse_log" else None
    if whole:
        step = hp.step or 1
        return Parameter(
            hp.name, IntDistribution(low, int(last_of(low, high, step)), log, step), when, reading, key=key
        )
    if hp.step is not None:
        return Parameter(hp.name, FloatDistribution(low, last_of(low, high, hp.step), step=hp.step), when, key=key)
    return Parameter(hp.name, FloatDistribution(low, high, log=log), when, reading, key=key)


def to_keras(parameter: Parameter) -> Any:
    """Return KerasTuner's hyperparameter that is the parameter, or None where it has none such."""
    conditions = [
        kt_conditions.Parent(parent, list(values)) for parent, values in parameter.when if _of_one_type(values)
    ]
    if len(conditions) < len(parameter.when):
        return None
    common = {"name": parameter.name, "conditions": conditions}
    d, kinds = parameter.distribution, kt.engine.hyperparameters
    if parameter.reading is not None:
        return None
    if isinstance(d, CategoricalDistribution):
        return kinds.Choice(values=list(d.choices), **common) if _of_one_type(d.choices) else None
    sampling = "log" if d.log else "linear"
    if isinstance(d, IntDistribution):
        step = None if d.log else d.step
        return kinds.Int(min_value=d.low, max_value=d.high, step=step, sampling=sampling, **common)
    if isinstance(d, FloatDistribution):
        return kinds.Float(min_value=d.low, max_value=d.high, step=d.step, sampling=sampling, **common)
    return None


def _of_one_type(values: Any) -> bool:
    return len({type(v) for v in values}) == 1 and isinstance(values[0], (bool, int, float, str))


def declared_space(hyperparameters: Any) -> SearchSpace:
    """Return the space that a user declared, empty where the model is to be asked."""
    if hyperparameters is None:
        return empty_space()
    if isinstance(hyperparameters, kt.HyperParameters):
        space = empty_space()
        for hp in hyperparameters.space:
            parameter = from_keras(hp)
            if parameter is not None:
                space.add(parameter)
        return space
    return SearchSpace(hyperparameters)
