"""A space of multi-layer perceptrons."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import keras

from keras_neural_opt._core.arguments import check_arguments, flag, fraction, integer, optional, text
from keras_neural_opt.nas._architecture_space import SearchSpace
from keras_neural_opt.nas._elastic import ElasticNetwork, FirstChannels, Numbers, Present
from keras_neural_opt.nas._gene_list import GeneList, choices


def mlp(
    depths: int | Sequence[int] = (1, 2, 3, 4),
    units: int | Sequence[int] = (16, 32, 64, 128, 256),
    activations: str | Sequence[str] = ("relu", "gelu", "silu", "tanh"),
    dropout_rates: float | Sequence[float] = (0.0, 0.2, 0.5),
    batch_norms: bool | Sequence[bool] = (False, True),
    batch_norm_momentum: float = 0.9,
    classifier_activation: str | None = "softmax",
) -> SearchSpace:
    """Return a space of multi-layer perceptrons (Rumelhart, Hinton, Williams, 1986), each layer of its own width.

    Genes: `depth`, `layer_1_units` and so on, of which those beyond the depth do not count, `activation`,
    `dropout_rate` and `batch_norm`. Choose it for tables. What has several axes is flattened. Its networks can share
    weights where there is one choice of the last three.

    Args:
        depths: Hidden layers, >= 1; one number, or a list to choose from. Defaults to 1 to 4.
        units: Of a hidden layer, >= 1; likewise. Defaults to 16, 32, 64, 128 and 256.
        activations: Keras' names; likewise. Defaults to `relu`, `gelu`, `silu` and `tanh`.
        dropout_rates: After each hidden layer, in [0, 1); likewise. Defaults to 0, 0.2 and 0.5.
        batch_norms: Whether hidden layers are normalized before their activation; likewise. Defaults to both.
        batch_norm_momentum: In [0, 1). Defaults to 0.9.
        classifier_activation: Of the outputs, or None for logits. Defaults to `"softmax"`.

    Returns:
        A space for inputs of any shape.

    Raises:
        ValueError: An argument breaks its rule.

    Example:
        >>> import keras_neural_opt as kno
        >>> space = kno.nas.mlp(depths=[1, 2], units=[8, 16], activations="relu", dropout_rates=0.0, batch_norms=False)
        >>> space.genes.names
        ['depth', 'layer_1_units', 'layer_2_units']
        >>> space.build({"depth": 1, "layer_1_units": 8}, (4,), 3).count_params()
        67

    References:
        Rumelhart, Hinton, Williams, Learning representations by back-propagating errors, 1986,
        https://doi.org/10.1038/323533a0
    """
    varied = check_arguments(
        "mlp",
        depths=choices(depths, lambda v: integer(v, 1)),
        units=choices(units, lambda v: integer(v, 1)),
        activations=choices(activations, text),
        dropout_rates=choices(dropout_rates, fraction),
        batch_norms=choices(batch_norms, flag),
    )
    shared = check_arguments(
        "mlp",
        batch_norm_momentum=fraction(batch_norm_momentum),
        classifier_activation=optional(text(classifier_activation)),
    )
    genes = GeneList()
    genes.add_repeated("depth", varied["depths"], "layer", units=varied["units"])
    genes.add("activation", varied["activations"])
    genes.add("dropout_rate", varied["dropout_rates"])
    genes.add("batch_norm", varied["batch_norms"])
    return SearchSpace(
        genes.entries, partial(_build, genes.fixed, **shared), elastic=partial(_elastic, genes.fixed, varied, **shared)
    )


def _build(
    fixed: Mapping[str, Any],
    genotype: Mapping[str, Any],
    input_shape: tuple[int, ...],
    classes: int,
    *,
    batch_norm_momentum: float,
    classifier_activation: str | None,
) -> keras.Model:
    values = {**fixed, **genotype}
    x = inputs = keras.Input(input_shape)
    if len(input_shape) > 1:
        x = keras.layers.Flatten()(x)
    for i in range(1, values["depth"] + 1):
        x = _hidden(x, values[f"layer_{i}_units"], values, batch_norm_momentum)
    return keras.Model(inputs, keras.layers.Dense(classes, activation=classifier_activation)(x))


def _hidden(x: Any, units: int, values: Mapping[str, Any], momentum: float) -> Any:
    # The offset of a norm is a bias already.
    x = keras.layers.Dense(units, use_bias=not values["batch_norm"])(x)
    if values["batch_norm"]:
        x = keras.layers.BatchNormalization(momentum=momentum)(x)
    x = keras.layers.Activation(values["activation"])(x)
    return keras.layers.Dropout(values["dropout_rate"])(x) if values["dropout_rate"] > 0 else x


def _elastic(
    fixed: Mapping[str, Any],
    varied: Mapping[str, Sequence[Any]],
    input_shape: tuple[int, ...],
    classes: int,
    *,
    batch_norm_momentum: float,
    classifier_activation: str | None,
) -> ElasticNetwork:
    for name in ("activations", "dropout_rates", "batch_norms"):
        if len(varied[name]) > 1:
            raise ValueError(f"mlp.{name} must be one where networks share weights; received {varied[name]}")
    depth, units = max(varied["depths"]), max(varied["units"])
    numbers = Numbers(depth)
    x = inputs = keras.Input(input_shape)
    if len(input_shape) > 1:
        x = keras.layers.Flatten()(x)
    for i in range(1, depth + 1):
        count = numbers()
        hidden = FirstChannels()([_hidden(x, units, fixed, batch_norm_momentum), count])
        x = hidden if i <= min(varied["depths"]) else Present()([hidden, x, count])
    outputs = keras.layers.Dense(classes, activation=classifier_activation)(x)

    def widths(genotype: Mapping[str, Any]) -> list[float]:
        values = {**fixed, **genotype}
        return [values[f"layer_{i}_units"] if i <= values["depth"] else 0 for i in range(1, depth + 1)]

    extremes = [
        {"depth": of(varied["depths"]), **{f"layer_{i}_units": of(varied["units"]) for i in range(1, depth + 1)}}
        for of in (min, max)
    ]
    return ElasticNetwork(keras.Model([inputs, numbers.input], outputs), widths, extremes)
