"""What a network costs, counted from the shapes of its layers."""

import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import keras

from keras_neural_opt.nas._flop_rules import RULES, WITHOUT_PRODUCTS, Call

Rule = Callable[[Call], int]


def count_flops(model: keras.Model, rules: Mapping[type, Rule] | None = None) -> int:
    r"""Return the multiply-adds of one example in a forward pass (Sandler et al., 2018), as papers count "FLOPs".

    One multiply-add is a multiplication and the addition of its product; who counts both gets twice the number. The
    products of a layer with its kernel count, and those inside of attention:

    .. math:: \text{Dense: } n \, d_{in} d_{out} \qquad \text{Conv2D: } h_{out} w_{out} k^2 c_{in} c_{out} / g

    for :math:`n` vectors and :math:`g` groups. Biases, norms, activations, pooling, embeddings and sums count nothing,
    nor do operations without weights. Nothing is run or traced, so the number is the same on every backend.

    A layer with weights that is not known raises an error, and does not count as zero: a search for small networks
    would find those whose cost is not seen. Give a rule for it.

    Args:
        model: A functional or Sequential model with fixed shapes, built or not of other such models. Another model
            in it counts if there is a rule for its class.
        rules: For other layers: a mapping of classes to functions that return the multiply-adds of one call. What they
            get has the attributes `layer`, `inputs` and `output`, the shapes without the batch, `inputs` one or more of
            them. They come before those of the library.

    Returns:
        The number of multiply-adds.

    Raises:
        ValueError: The model is of another kind, a shape is not fixed, or no rule is known for a layer with weights.

    Example:
        >>> import keras
        >>> import keras_neural_opt as kno
        >>> model = keras.Sequential([
        ...     keras.Input((8, 8, 3)),
        ...     keras.layers.Conv2D(4, 3, padding="same"),
        ...     keras.layers.Flatten(),
        ...     keras.layers.Dense(10),
        ... ])
        >>> kno.nas.count_flops(model)
        9472
        >>> 8 * 8 * 3 * 3 * 3 * 4 + 8 * 8 * 4 * 10
        9472

    References:
        Sandler et al., MobileNetV2, 2018, https://arxiv.org/abs/1801.04381
    """
    if not isinstance(model, keras.Model):
        raise ValueError(f"count_flops.model must be a keras.Model; received {model!r}")
    return _of_model(model, {**RULES, **(rules or {})}, rules or {})


def layer_flops(model: keras.Model) -> list[tuple[Any, tuple[int, ...], int]]:
    """Return the layers of a model in the order of their calls, each with its output's shape and its multiply-adds."""
    calls = reversed(list(calls_of(model)))
    return [(call.layer, call.output, _of_call(call, RULES, {})) for call in calls]


def _of_model(model: Any, known: Mapping[type, Rule], given: Mapping[type, Rule]) -> int:
    graph = getattr(model, "_functional", model)
    if not hasattr(graph, "_nodes_by_depth"):
        raise ValueError(
            f"count_flops.model must be a functional or a built Sequential model, as must those in it; received"
            f" {model.name!r}, a {type(model).__name__}"
        )
    return sum(_of_call(call, known, given) for call in calls_of(graph))


def calls_of(model: Any) -> Iterator[Call]:
    """Yield the calls of a functional model's operations, from its outputs on."""
    graph = getattr(model, "_functional", model)
    for nodes in graph._nodes_by_depth.values():
        for node in nodes:
            if not node.is_input:
                inputs = [tuple(x.shape[1:]) for x in _inputs(node)]
                yield Call(node.operation, inputs, tuple(node.outputs[0].shape[1:]))


def _inputs(node: Any) -> list[Any]:
    """Return the tensors that an operation gets, in the order of its parameters, however they were given."""
    args, kwargs = node.arguments.args, node.arguments.kwargs
    by_name = [kwargs[name] for name in inspect.signature(node.operation.call).parameters if name in kwargs]
    return [x for x in keras.tree.flatten([*args, *by_name]) if isinstance(x, keras.KerasTensor)]


def _of_call(call: Call, known: Mapping[type, Rule], given: Mapping[type, Rule]) -> int:
    layer = call.layer
    rule = next((known[cls] for cls in type(layer).__mro__ if cls in given), None)
    if rule is None and isinstance(layer, keras.Model):
        return _of_inner_model(call, known, given)
    rule = rule or next((known[cls] for cls in type(layer).__mro__ if cls in known), None)
    if rule is None:
        if isinstance(layer, WITHOUT_PRODUCTS) or not getattr(layer, "weights", ()):
            return 0
        raise ValueError(
            f"count_flops.rules must have a rule for {type(layer).__name__}, the class of the layer {layer.name!r},"
            f" which has weights; received rules for {sorted(cls.__name__ for cls in given)}"
        )
    if any(None in shape for shape in (*call.inputs, call.output)):
        raise ValueError(
            f"count_flops.model must have fixed shapes; received one of which {layer.name!r} makes {call.output} of"
            f" {call.inputs}"
        )
    return rule(call)


def _of_inner_model(call: Call, known: Mapping[type, Rule], given: Mapping[type, Rule]) -> int:
    """Count a model that was called like a layer, provided that it was called with the shapes that it was made for."""
    own = [tuple(x.shape[1:]) for x in call.layer.inputs]
    if own != call.inputs:
        raise ValueError(
            f"count_flops.model must have models in it that were made for the shapes that they get; received"
            f" {call.layer.name!r} of {own}, which gets {call.inputs}"
        )
    return _of_model(call.layer, known, given)
