"""A space of architectures: genes, and a function that builds the model that they describe."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import keras

from keras_neural_opt._core.arguments import Argument, check_arguments, did_you_mean, integer
from keras_neural_opt.hpo._space import SearchSpace as Genes
from keras_neural_opt.nas._compilation import while_building
from keras_neural_opt.nas._elastic import ElasticNetwork
from keras_neural_opt.nas._genes import canonical


class SearchSpace:
    """A space of architectures (Elsken, Metzen, Hutter, 2019): genes, and how a model is built of them.

    A genotype is a mapping of genes to numbers, strings, bools or None. It has those genes that count: under a
    condition that does not hold, a gene is left out, so that equal networks have equal genotypes.

    Args:
        genes: What varies: a `kno.hpo.SearchSpace`, or the list of tuples that makes one. Each gene must have finitely
            many values.
        build: A function `build(genotype)` or `build(genotype, input_shape, classes)` that returns a `keras.Model`.
            It gets what labels stand for, where a gene's choices are a mapping.
        named: Architectures with a name, such as published ones: a mapping of names to genotypes. They are built as
            they are, also where the genes cannot express them. Defaults to none.
        elastic: A function `elastic(input_shape, classes)` that returns an `ElasticNetwork`, for searches in which all
            networks share weights. Defaults to None: they cannot.

    Raises:
        ValueError: A gene breaks its rule, or `build` takes other arguments.

    Example:
        >>> import keras
        >>> import keras_neural_opt as kno
        >>> def build(genotype, input_shape, classes):
        ...     hidden = [keras.layers.Dense(genotype["units"]) for _ in range(genotype["depth"])]
        ...     return keras.Sequential([keras.Input(input_shape), *hidden, keras.layers.Dense(classes)])
        >>> space = kno.nas.SearchSpace([("depth", "int", 1, 3), ("units", "categorical", [8, 16])], build)
        >>> space.build({"depth": 2, "units": 8}, (4,), 3).count_params()
        139

    References:
        Elsken, Metzen, Hutter, Neural Architecture Search: A Survey, 2019, https://arxiv.org/abs/1808.05377
    """

    def __init__(
        self,
        genes: Any,
        build: Callable[..., Any],
        named: Mapping[str, Mapping[str, Any]] | None = None,
        elastic: Callable[[tuple[int, ...], int], ElasticNetwork] | None = None,
    ) -> None:
        self.genes = Genes(genes)
        for gene in self.genes:
            if gene.choices() is None:
                raise ValueError(
                    f"SearchSpace.genes must have finitely many values each; received {gene.name!r} with"
                    f" {gene.distribution}"
                )
        self._arguments = _count_arguments(build)
        self._build, self._elastic = build, elastic
        self._named = {name: dict(genotype) for name, genotype in (named or {}).items()}

    @property
    def named(self) -> Mapping[str, Mapping[str, Any]]:
        """The architectures with a name: their genotypes."""
        return MappingProxyType({name: MappingProxyType(genotype) for name, genotype in self._named.items()})

    def check(self, genotype: Mapping[str, Any]) -> dict[str, Any]:
        """Return a genotype in its one form: the genes that count, in order, with their values as declared.

        Args:
            genotype: The genes by name. Those that do not count may be there, with whatever value.

        Raises:
            ValueError: A gene is unknown or missing, or it cannot have the value.
        """
        if not isinstance(genotype, Mapping):
            raise ValueError(f"genotype must be a mapping of genes to values; received {genotype!r}")
        if any(dict(genotype) == dict(named) for named in self.named.values()):
            return dict(genotype)
        names = self.genes.names
        for name, value in genotype.items():
            if name not in names:
                raise ValueError(
                    f"genotype.{name} must be a gene of the space; received {value!r}{did_you_mean(name, names)}"
                )
        return canonical(self.genes, genotype)

    def build(
        self, genotype: Mapping[str, Any], input_shape: tuple[int, ...] | None = None, classes: int | None = None
    ) -> keras.Model:
        """Return a new model of an architecture, as yet uncompiled if the space builds it so.

        Args:
            genotype: A genotype of the space, or one of `named`.
            input_shape: The shape of one example, without the batch. A space whose function takes the genotype alone
                does without.
            classes: How many outputs, >= 1. Likewise.

        Raises:
            ValueError: The genotype is not of this space, or an argument breaks its rule.
        """
        checked = self.check(genotype)
        arguments: dict[str, Any] = {}
        if self._arguments > 1:
            arguments = check_arguments("SearchSpace", input_shape=shape(input_shape), classes=integer(classes, 1))
        with while_building():
            model = self._build(self._values(checked), *arguments.values())
        if not isinstance(model, keras.Model):
            raise ValueError(f"SearchSpace.build must return a keras.Model; received {model!r}")
        return model

    def elastic(self, input_shape: tuple[int, ...], classes: int) -> ElasticNetwork:
        """Return a new network with the weights that all networks of the space share.

        Args:
            input_shape: The shape of one example, without the batch.
            classes: How many outputs, >= 1.

        Raises:
            ValueError: The space has no such network, or an argument breaks its rule.
        """
        given = check_arguments("SearchSpace", input_shape=shape(input_shape), classes=integer(classes, 1))
        if self._elastic is None:
            raise ValueError(
                "SearchSpace.elastic must be given where networks share weights, as it is in mobilenet_v3, mlp and"
                " cell; received None"
            )
        with while_building():
            elastic = self._elastic(given["input_shape"], given["classes"])
        return replace(
            elastic,
            numbers=lambda genotype: elastic.numbers(self._values(genotype)),
            extremes=[canonical(self.genes, genotype) for genotype in elastic.extremes],
        )

    def _values(self, genotype: Mapping[str, Any]) -> dict[str, Any]:
        by_name = {gene.name: gene for gene in self.genes if gene.objects is not None}
        return {name: by_name[name].object(v) if name in by_name else v for name, v in genotype.items()}


def shape(value: Any) -> Argument:
    """The shape of one example."""

    def convert(given: Any) -> tuple[int, ...]:
        if not isinstance(given, (tuple, list)) or not given:
            raise ValueError
        return tuple(integer(n, 1).convert(n) for n in given)

    return Argument(value, "a tuple of integers >= 1, at least one", convert)


def _count_arguments(build: Any) -> int:
    rule = "SearchSpace.build must be a function of (genotype) or of (genotype, input_shape, classes)"
    if not callable(build):
        raise ValueError(f"{rule}; received {build!r}")
    for count in (3, 1):
        try:
            inspect.signature(build).bind(*range(count))
        except TypeError:
            continue
        return count
    raise ValueError(f"{rule}; received one of {inspect.signature(build)}")
