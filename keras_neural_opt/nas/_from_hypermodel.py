"""A space of architectures from KerasTuner's way to declare one."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import keras
import keras_tuner as kt

from keras_neural_opt.hpo._hyperparameters import declared_space, from_keras
from keras_neural_opt.hpo._space import SearchSpace as Genes
from keras_neural_opt.nas._architecture_space import SearchSpace


def from_hypermodel(hypermodel: Any, genes: Any = None) -> SearchSpace:
    """Return the space of architectures that a KerasTuner hypermodel builds (O'Malley et al., 2019).

    Its hyperparameters are the genes, those in a `conditional_scope` only where its condition holds. One with
    infinitely many values, such as a learning rate, is no part of an architecture and keeps its default.

    Args:
        hypermodel: A `keras_tuner.HyperModel`, or a function of `keras_tuner.HyperParameters` that returns a model.
        genes: What it asks for, as `keras_neural_opt.hpo.SearchSpace` takes it or as `keras_tuner.HyperParameters`.
            Defaults to None: it is built once with its defaults, and what it asks for then is what varies. Declare
            them where it asks for more under other values.

    Returns:
        A space whose models are as the hypermodel returns them, compiled if it compiles them.

    Raises:
        ValueError: It is neither; it asks for nothing that can vary; or, when a model is built, for what was not
            declared.

    Example:
        >>> import keras
        >>> import keras_neural_opt as kno
        >>> def build(hp):
        ...     units = hp.Choice("units", [8, 16])
        ...     return keras.Sequential([keras.Input((4,)), keras.layers.Dense(units), keras.layers.Dense(3)])
        >>> space = kno.nas.from_hypermodel(build)
        >>> space.build({"units": 16}).count_params()
        131

    References:
        O'Malley et al., KerasTuner, 2019, https://keras.io/keras_tuner
    """
    build = hypermodel.build if isinstance(hypermodel, kt.HyperModel) else hypermodel
    if not callable(build):
        raise ValueError(
            f"from_hypermodel.hypermodel must be a keras_tuner.HyperModel or a function; received {hypermodel!r}"
        )
    if genes is None:
        genes = kt.HyperParameters()
        build(genes)
    finite = [gene for gene in declared_space(genes) if gene.choices() is not None]
    if not finite:
        raise ValueError("from_hypermodel.hypermodel must ask for a value among finitely many; received one without")
    space = Genes(finite)
    return SearchSpace(space, partial(_build, build, frozenset(space.names)))


def _build(build: Callable[[Any], keras.Model], names: frozenset[str], genotype: Mapping[str, Any]) -> keras.Model:
    hyperparameters = kt.HyperParameters()
    hyperparameters.values = dict(genotype)
    model = build(hyperparameters)
    for hp in hyperparameters.space:
        parameter = from_keras(hp)
        # With its default, it would stand still in the whole search, and nobody would know.
        if hp.name not in names and parameter is not None and parameter.choices() is not None:
            raise ValueError(
                f"from_hypermodel.genes must have {hp.name!r}, which the model asks for under the genotype"
                f" {dict(genotype)}; received the names {sorted(names)}"
            )
    return model
