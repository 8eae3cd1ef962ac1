"""A space of transformers that classify sequences and images."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import keras

from keras_neural_opt._core.arguments import check_arguments, fraction, integer, optional, text
from keras_neural_opt.layers._position_embedding import PositionEmbedding
from keras_neural_opt.nas._architecture_space import SearchSpace
from keras_neural_opt.nas._gene_list import GeneList, choices
from keras_neural_opt.nas._images import sides


@dataclass(frozen=True)
class _Options:
    vocabulary_size: int | None
    patch_size: int
    dropout_rate: float
    classifier_activation: str | None


def transformer(
    depths: int | Sequence[int] = (1, 2, 3, 4),
    widths: int | Sequence[int] = (32, 64, 128),
    heads: int | Sequence[int] = (1, 2, 4, 8),
    expansions: int | Sequence[int] = (1, 2, 4),
    vocabulary_size: int | None = None,
    patch_size: int = 4,
    dropout_rate: float = 0.1,
    classifier_activation: str | None = "softmax",
) -> SearchSpace:
    """Return a space of transformer encoders (Vaswani et al., 2017), each block of its own shape.

    Blocks that normalize first, learned positions, and the mean over the sequence before the classes. Genes: `depth`,
    `width`, and for each block `block_1_heads` and `block_1_expansion`; those beyond the depth do not count. Heads
    share the width, so that their number changes what they can attend to, but not the parameters.

    Args:
        depths: Blocks, >= 1; one number, or a list to choose from. Defaults to 1 to 4.
        widths: Of the vectors, multiples of every number of heads; likewise. Defaults to 32, 64 and 128.
        heads: Of a block's attention, >= 1; likewise. Defaults to 1, 2, 4 and 8.
        expansions: How many times wider a block's dense layer is inside, >= 1; likewise. Defaults to 1, 2 and 4.
        vocabulary_size: Inputs are sequences of tokens from 0 to that number, not included. Defaults to None: inputs
            are sequences of vectors, `(length, features)`, or images.
        patch_size: An image is cut into squares of that many pixels a side, >= 1, which make the sequence (Dosovitskiy
            et al., 2021); what is left at its right and bottom does not count. Defaults to 4.
        dropout_rate: Of what each half of a block adds, in [0, 1). Defaults to 0.1.
        classifier_activation: Of the outputs, or None for logits. Defaults to `"softmax"`.

    Returns:
        A space for inputs of the shapes `(length,)` with a vocabulary, else `(length, features)` or that of an image.

    Raises:
        ValueError: An argument breaks its rule.

    Example:
        >>> import keras_neural_opt as kno
        >>> space = kno.nas.transformer(depths=[1, 2], widths=[8, 16], heads=[1, 2], expansions=2)
        >>> space.build({"depth": 1, "width": 8, "block_1_heads": 2}, (12, 5), 3).output_shape
        (None, 3)

    References:
        Vaswani et al., Attention Is All You Need, 2017, https://arxiv.org/abs/1706.03762; Dosovitskiy et al., An Image
        is Worth 16x16 Words, 2021, https://arxiv.org/abs/2010.11929; Chen et al., AutoFormer, 2021,
        https://arxiv.org/abs/2107.00651
    """
    varied = check_arguments(
        "transformer",
        depths=choices(depths, lambda v: integer(v, 1)),
        widths=choices(widths, lambda v: integer(v, 1)),
        heads=choices(heads, lambda v: integer(v, 1)),
        expansions=choices(expansions, lambda v: integer(v, 1)),
    )
    shared = check_arguments(
        "transformer",
        vocabulary_size=optional(integer(vocabulary_size, 1)),
        patch_size=integer(patch_size, 1),
        dropout_rate=fraction(dropout_rate),
        classifier_activation=optional(text(classifier_activation)),
    )
    if any(width % h for width in varied["widths"] for h in varied["heads"]):
        raise ValueError(
            f"transformer.widths must be multiples of every number of heads; received {widths!r} and {heads!r}"
        )
    genes = GeneList()
    genes.add("width", varied["widths"])
    genes.add_repeated("depth", varied["depths"], "block", heads=varied["heads"], expansion=varied["expansions"])
    return SearchSpace(genes.entries, partial(_build, genes.fixed, _Options(**shared)))


def _build(
    fixed: Mapping[str, Any],
    options: _Options,
    genotype: Mapping[str, Any],
    input_shape: tuple[int, ...],
    classes: int,
) -> keras.Model:
    _check_input(options, input_shape)
    values = {**fixed, **genotype}
    inputs = keras.Input(input_shape, dtype=None if options.vocabulary_size is None else "int32")
    x = PositionEmbedding()(_embedded(inputs, values["width"], options))
    for i in range(1, values["depth"] + 1):
        heads, expansion = values[f"block_{i}_heads"], values[f"block_{i}_expansion"]
        x = _block(x, heads, values["width"], expansion, options.dropout_rate)
    x = keras.layers.LayerNormalization(epsilon=1e-6)(x)
    x = keras.layers.GlobalAveragePooling1D(data_format="channels_last")(x)
    return keras.Model(inputs, keras.layers.Dense(classes, activation=options.classifier_activation)(x))


def _check_input(options: _Options, input_shape: tuple[int, ...]) -> None:
    if options.vocabulary_size is not None:
        if len(input_shape) != 1:
            raise ValueError(f"transformer.input_shape must be (length,) with a vocabulary; received {input_shape!r}")
    elif len(input_shape) not in (2, 3):
        raise ValueError(
            "transformer.input_shape must be (length, features) or that of an image, or there must be a"
            f" vocabulary_size; received {input_shape!r}"
        )
    elif len(input_shape) == 3 and min(sides(input_shape)) < options.patch_size:
        raise ValueError(
            f"transformer.patch_size must be at most the pixels of a side; received {options.patch_size} for"
            f" {input_shape!r}"
        )


def _embedded(inputs: Any, width: int, options: _Options) -> Any:
    if options.vocabulary_size is not None:
        return keras.layers.Embedding(options.vocabulary_size, width)(inputs)
    if len(inputs.shape) == 3:
        return keras.layers.Dense(width)(inputs)
    x = keras.layers.Conv2D(width, options.patch_size, strides=options.patch_size)(inputs)
    if keras.config.image_data_format() == "channels_first":
        x = keras.layers.Permute((2, 3, 1))(x)
    return keras.layers.Reshape((-1, width))(x)


def _block(x: Any, heads: int, width: int, expansion: int, dropout_rate: float) -> Any:
    normed = keras.layers.LayerNormalization(epsilon=1e-6)(x)
    attended = keras.layers.MultiHeadAttention(heads, width // heads)(normed, normed)
    x = _add(x, attended, dropout_rate)
    normed = keras.layers.LayerNormalization(epsilon=1e-6)(x)
    inside = keras.layers.Dense(width * expansion, activation="gelu")(normed)
    return _add(x, keras.layers.Dense(width)(inside), dropout_rate)


def _add(x: Any, change: Any, dropout_rate: float) -> Any:
    if dropout_rate > 0:
        change = keras.layers.Dropout(dropout_rate)(change)
    return keras.layers.Add()([x, change])
