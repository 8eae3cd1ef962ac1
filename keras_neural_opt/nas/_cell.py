"""The space of NAS-Bench-201: one small cell, repeated."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import keras

from keras_neural_opt._core.arguments import check_arguments, choice, fraction, integer, optional, text
from keras_neural_opt.nas._architecture_space import SearchSpace
from keras_neural_opt.nas._elastic import ElasticNetwork, Numbers
from keras_neural_opt.nas._gene_list import GeneList, choices
from keras_neural_opt.nas._images import batch_norm, channels, check_image

_OPERATIONS = ("none", "skip", "conv1x1", "conv3x3", "avgpool3x3")
_WORKING = _OPERATIONS[1:]
_EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
_NODES = 4


@dataclass(frozen=True)
class _Options:
    cells: int
    filters: int
    batch_norm_momentum: float
    classifier_activation: str | None


def cell(
    operations: Sequence[str] = _OPERATIONS,
    cells: int = 5,
    filters: int = 16,
    batch_norm_momentum: float = 0.9,
    classifier_activation: str | None = "softmax",
) -> SearchSpace:
    """Return the space of NAS-Bench-201 (Dong, Yang, 2020): a cell of four nodes and six edges, repeated.

    The first node of a cell is its input, the last its output; a node is the sum of what its edges bring. A stem, then
    three stacks of equal cells, with a residual block between them that doubles the filters and halves the image. Six
    genes, `edge_0_1` to `edge_2_3`, make 15,625 genotypes. Edges that lead nowhere, or come from nothing, are not
    built: such genotypes make the same network. Where nothing reaches the output, it is zero. Its networks can share
    weights.

    Args:
        operations: What an edge may be, two of these at least: `"none"`, `"skip"`, `"conv1x1"`, `"conv3x3"` (an
            activation, a convolution, a batch norm) and `"avgpool3x3"`. Defaults to all.
        cells: Of each stack, >= 1. Defaults to 5.
        filters: Of the first stack, >= 1. Defaults to 16.
        batch_norm_momentum: In [0, 1). Defaults to 0.9.
        classifier_activation: Of the outputs, or None for logits. Defaults to `"softmax"`.

    Returns:
        A space for images of any size, with any number of channels and classes; the benchmark's are of 32 pixels.

    Raises:
        ValueError: An argument breaks its rule.

    Example:
        >>> import keras_neural_opt as kno
        >>> space = kno.nas.cell(cells=1, filters=8)
        >>> genotype = dict.fromkeys(space.genes.names, "skip") | {"edge_0_3": "conv3x3"}
        >>> space.build(genotype, (28, 28, 1), 10).output_shape
        (None, 10)

    References:
        Dong, Yang, NAS-Bench-201, 2020, https://arxiv.org/abs/2001.00326
    """
    varied = check_arguments("cell", operations=choices(operations, lambda v: choice(v, _OPERATIONS)))
    shared = check_arguments(
        "cell",
        cells=integer(cells, 1),
        filters=integer(filters, 1),
        batch_norm_momentum=fraction(batch_norm_momentum),
        classifier_activation=optional(text(classifier_activation)),
    )
    if len(varied["operations"]) < 2:
        raise ValueError(f"cell.operations must be two or more; received {operations!r}")
    genes = GeneList()
    for edge in _EDGES:
        genes.add(_name(edge), varied["operations"])
    options = _Options(**shared)
    return SearchSpace(genes.entries, partial(_build, options), elastic=partial(_elastic, options))


def _name(edge: tuple[int, int]) -> str:
    return f"edge_{edge[0]}_{edge[1]}"


def _build(options: _Options, genotype: Mapping[str, Any], input_shape: tuple[int, ...], classes: int) -> keras.Model:
    make_cell = partial(_cell, edges=_edges_in_use(genotype), momentum=options.batch_norm_momentum)
    inputs = keras.Input(input_shape)
    return keras.Model(inputs, _outputs(inputs, make_cell, options, classes))


def _elastic(options: _Options, input_shape: tuple[int, ...], classes: int) -> ElasticNetwork:
    numbers = Numbers(len(_EDGES) * len(_WORKING))
    chosen = {edge: {operation: numbers() for operation in _WORKING} for edge in _EDGES}
    make_cell = partial(_elastic_cell, chosen=chosen, momentum=options.batch_norm_momentum)
    inputs = keras.Input(input_shape)

    def choices_of(genotype: Mapping[str, Any]) -> list[float]:
        edges = _edges_in_use(genotype)
        return [float(edges.get(edge) == operation) for edge in _EDGES for operation in _WORKING]

    model = keras.Model([inputs, numbers.input], _outputs(inputs, make_cell, options, classes))
    return ElasticNetwork(model, choices_of)


def _outputs(x: Any, make_cell: Callable[[Any], Any], options: _Options, classes: int) -> Any:
    check_image("cell", tuple(x.shape[1:]))
    momentum = options.batch_norm_momentum
    x = keras.layers.Conv2D(options.filters, 3, padding="same", use_bias=False)(x)
    x = batch_norm(x, momentum)
    for stack in range(3):
        if stack > 0:
            x = _reduce(x, options.filters * 2**stack, momentum)
        for _ in range(options.cells):
            x = make_cell(x)
    x = batch_norm(x, momentum, "relu")
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.layers.Dense(classes, activation=options.classifier_activation)(x)


def _edges_in_use(genotype: Mapping[str, Any]) -> dict[tuple[int, int], str]:
    """Return the operations of the edges that lie on a way from the input to the output."""
    edges = {edge: genotype[_name(edge)] for edge in _EDGES if genotype[_name(edge)] != "none"}
    reached, needed = {0}, {_NODES - 1}
    for node in range(1, _NODES):
        if any(target == node and source in reached for source, target in edges):
            reached.add(node)
    for node in reversed(range(_NODES - 1)):
        if any(source == node and target in needed for source, target in edges):
            needed.add(node)
    return {
        (source, target): operation
        for (source, target), operation in edges.items()
        if source in reached and target in needed
    }


def _cell(x: Any, edges: Mapping[tuple[int, int], str], momentum: float) -> Any:
    nodes = {0: x}
    for node in range(1, _NODES):
        arriving = [_operation(nodes[s], op, momentum) for (s, target), op in edges.items() if target == node]
        if arriving:
            nodes[node] = arriving[0] if len(arriving) == 1 else keras.layers.Add()(arriving)
    return nodes[_NODES - 1] if _NODES - 1 in nodes else keras.layers.Rescaling(0.0)(x)


def _elastic_cell(x: Any, chosen: Mapping[tuple[int, int], Mapping[str, Any]], momentum: float) -> Any:
    """Return the sum of all operations of all edges, each times the number that chooses it."""
    nodes = {0: x}
    for node in range(1, _NODES):
        arriving = [
            _operation(nodes[source], operation, momentum) * keras.ops.reshape(number, (-1, 1, 1, 1))
            for (source, target), numbers in chosen.items()
            if target == node
            for operation, number in numbers.items()
        ]
        nodes[node] = keras.layers.Add()(arriving)
    return nodes[_NODES - 1]


def _operation(x: Any, operation: str, momentum: float) -> Any:
    if operation == "skip":
        return x
    if operation == "avgpool3x3":
        return keras.layers.AveragePooling2D(3, strides=1, padding="same")(x)
    return _activated_conv(x, channels(x), int(operation[-1]), momentum)


def _activated_conv(x: Any, filters: int, kernel: int, momentum: float, stride: int = 1) -> Any:
    x = keras.layers.Activation("relu")(x)
    x = keras.layers.Conv2D(filters, kernel, strides=stride, padding="same", use_bias=False)(x)
    return batch_norm(x, momentum)


def _reduce(x: Any, filters: int, momentum: float) -> Any:
    shortcut = keras.layers.AveragePooling2D(2, padding="same")(x)
    shortcut = keras.layers.Conv2D(filters, 1, use_bias=False)(shortcut)
    x = _activated_conv(x, filters, 3, momentum, stride=2)
    return keras.layers.Add()([shortcut, _activated_conv(x, filters, 3, momentum)])
