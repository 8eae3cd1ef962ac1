"""Hyperparameters that are searched together with an architecture."""

from dataclasses import replace
from typing import Any

import numpy as np
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from keras_neural_opt.hpo._parameter import Parameter
from keras_neural_opt.hpo._space import SearchSpace

# Strategies move from one value of a gene to another; so many are near enough to each other.
_LEVELS = 16


def on_levels(hyperparameters: Any) -> list[Parameter]:
    """Return hyperparameters of which each has finitely many values: of a continuous one sixteen, evenly spread."""
    if hyperparameters is None:
        return []
    return [_on_levels(each) for each in SearchSpace(hyperparameters)]


def _on_levels(parameter: Parameter) -> Parameter:
    choices, d = parameter.choices(), parameter.distribution
    few = choices is not None and len(choices) <= _LEVELS
    if few or not isinstance(d, (FloatDistribution, IntDistribution)):
        return parameter
    spread = np.geomspace if d.log else np.linspace
    levels = [float(x) for x in spread(d.low, d.high, _LEVELS)]
    if isinstance(d, IntDistribution):
        levels = [d.low + d.step * round((x - d.low) / d.step) for x in levels]
    return replace(parameter, distribution=CategoricalDistribution(tuple(dict.fromkeys(levels))))
