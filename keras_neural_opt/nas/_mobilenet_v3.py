"""The space of MobileNetV3-like networks that Once-for-all searches."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import keras

from keras_neural_opt._core.arguments import (
    check_arguments,
    choice,
    flag,
    fraction,
    integer,
    optional,
    positive,
    text,
)
from keras_neural_opt.nas._architecture_space import SearchSpace
from keras_neural_opt.nas._elastic import ElasticNetwork, Numbers
from keras_neural_opt.nas._gene_list import GeneList, choices
from keras_neural_opt.nas._images import check_image
from keras_neural_opt.nas._mobilenet_v3_elastic import ElasticForm
from keras_neural_opt.nas._mobilenet_v3_network import (
    Block,
    Form,
    Network,
    Options,
    build_network,
    rounded,
    squeezed,
)

_FIRST = Block(3, 1, 16, False, "relu")
# Filters, squeeze and excitation, activation, stride of the first block of each stage.
_STAGES = (
    (24, False, "relu", 2),
    (40, True, "relu", 2),
    (80, False, "hard_swish", 2),
    (112, True, "hard_swish", 1),
    (160, True, "hard_swish", 2),
)

_LARGE = Network(
    (
        _FIRST,
        Block(3, 4, 24, False, "relu", 2),
        Block(3, 3, 24, False, "relu"),
        Block(5, 3, 40, True, "relu", 2),
        *[Block(5, 3, 40, True, "relu")] * 2,
        Block(3, 6, 80, False, "hard_swish", 2),
        Block(3, 2.5, 80, False, "hard_swish"),
        *[Block(3, 2.3, 80, False, "hard_swish")] * 2,
        *[Block(3, 6, 112, True, "hard_swish")] * 2,
        Block(5, 6, 160, True, "hard_swish", 2),
        *[Block(5, 6, 160, True, "hard_swish")] * 2,
    ),
    features=1280,
)
_SMALL = Network(
    (
        Block(3, 1, 16, True, "relu", 2),
        Block(3, 72 / 16, 24, False, "relu", 2),
        Block(3, 88 / 24, 24, False, "relu"),
        Block(5, 4, 40, True, "hard_swish", 2),
        *[Block(5, 6, 40, True, "hard_swish")] * 2,
        *[Block(5, 3, 48, True, "hard_swish")] * 2,
        Block(5, 6, 96, True, "hard_swish", 2),
        *[Block(5, 6, 96, True, "hard_swish")] * 2,
    ),
    features=1024,
)
_PUBLISHED = {"large": _LARGE, "small": _SMALL}


def mobilenet_v3(
    depths: int | Sequence[int] = (2, 3, 4),
    kernels: int | Sequence[int] = (3, 5, 7),
    expansions: float | Sequence[float] = (3, 4, 6),
    width: float | Sequence[float] = 1.0,
    resolution: int | Sequence[int] | None = None,
    strides: str = "auto",
    dropout_rate: float = 0.2,
    batch_norm_momentum: float = 0.9,
    classifier_activation: str | None = "softmax",
    include_preprocessing: bool = False,
) -> SearchSpace:
    r"""Return the space of Once-for-all (Cai et al., 2020): inverted residuals of five depths, each of its own shape.

    A stem and a first block, then five stages of 24, 40, 80, 112 and 160 filters, the second, fourth and fifth with
    squeeze and excitation, and the head of MobileNetV3. Genes: `stage_1_depth` to `stage_5_depth`, and for each block
    `stage_1_block_1_kernel` and `stage_1_block_1_expansion`; those of a block deeper than its stage do not count. With
    the defaults that makes :math:`(9^2 + 9^3 + 9^4)^5 \approx 2 \cdot 10^{19}` networks.

    `named["large"]` and `named["small"]`, the genotypes `{"network": "large"}` and `{"network": "small"}`, are the
    networks of the paper: `keras.applications.MobileNetV3Large` and `MobileNetV3Small`, up to preprocessing and the
    momentum of batch norms. Their expansions differ from those of the genes, so nothing mutates into them. Where
    the space has several widths or resolutions, they have width 1 and the images' own resolution.

    The networks can share weights where there is one width and one resolution, kernels are odd and no expansion is 1.

    Args:
        depths: Blocks of a stage, >= 1; one number, or a list to choose from. Defaults to 2, 3 and 4.
        kernels: Pixels of a depthwise convolution's side, >= 1; likewise. Defaults to 3, 5 and 7.
        expansions: How many times wider a block is inside, > 0; likewise. Defaults to 3, 4 and 6.
        width: Multiplies all filters, > 0; from a list, the gene `width` chooses. Defaults to 1.
        resolution: Pixels to which images are resized, >= 1; from a list, the gene `resolution` chooses. Defaults to
            None: images stay as they are.
        strides: `"imagenet"`: the image is halved five times. `"auto"`, the default: the first strides are 1 where the
            last map would have fewer than 3 pixels a side, two of them at 32 pixels or 28, none from 65 on.
        dropout_rate: Of the features before the classes, in [0, 1). Defaults to 0.2.
        batch_norm_momentum: In [0, 1). Defaults to 0.9: Keras' networks have 0.999, with which a short training
            is evaluated with statistics that are as yet meaningless.
        classifier_activation: Of the outputs, or None for logits. Defaults to `"softmax"`.
        include_preprocessing: Whether pixels from 0 to 255 are first scaled to [-1, 1]. Defaults to False.

    Returns:
        A space for images of any size, with any number of channels and classes.

    Raises:
        ValueError: An argument breaks its rule.

    Example:
        >>> import keras_neural_opt as kno
        >>> space = kno.nas.mobilenet_v3(depths=[1, 2], kernels=3, expansions=[3, 6])
        >>> genotype = {f"stage_{i}_{gene}": value for i in range(1, 6)
        ...             for gene, value in [("depth", 1), ("block_1_expansion", 3)]}
        >>> space.build(genotype, (28, 28, 1), 10).output_shape
        (None, 10)

    References:
        Cai, Gan, Wang, Zhang, Han, Once-for-All, 2020, https://arxiv.org/abs/1908.09791; Howard et al., Searching for
        MobileNetV3, 2019, https://arxiv.org/abs/1905.02244
    """
    varied = check_arguments(
        "mobilenet_v3",
        depths=choices(depths, lambda v: integer(v, 1)),
        kernels=choices(kernels, lambda v: integer(v, 1)),
        expansions=choices(expansions, positive),
        width=choices(width, positive),
        resolution=choices(resolution, lambda v: optional(integer(v, 1))),
    )
    shared = check_arguments(
        "mobilenet_v3",
        strides=choice(strides, ("auto", "imagenet")),
        dropout_rate=fraction(dropout_rate),
        batch_norm_momentum=fraction(batch_norm_momentum),
        classifier_activation=optional(text(classifier_activation)),
        include_preprocessing=flag(include_preprocessing),
    )
    genes = _genes(**varied)
    # For the networks of the paper, which have no genes.
    fixed = {"width": 1.0, "resolution": None, **genes.fixed}
    named = {name: {"network": name} for name in _PUBLISHED}
    options = Options(**shared)
    elastic = partial(_elastic, fixed, varied, options)
    return SearchSpace(genes.entries, partial(_build, fixed, options), named, elastic)


def _genes(
    depths: Sequence[int],
    kernels: Sequence[int],
    expansions: Sequence[float],
    width: Sequence[float],
    resolution: Sequence[int | None],
) -> GeneList:
    genes = GeneList()
    genes.add("width", width)
    genes.add("resolution", resolution)
    for s in range(1, len(_STAGES) + 1):
        genes.add_repeated(f"stage_{s}_depth", depths, f"stage_{s}_block", kernel=kernels, expansion=expansions)
    return genes


def _build(
    fixed: Mapping[str, Any],
    options: Options,
    genotype: Mapping[str, Any],
    input_shape: tuple[int, ...],
    classes: int,
) -> keras.Model:
    check_image("mobilenet_v3", input_shape)
    values = {**fixed, **genotype}
    network = _PUBLISHED[values["network"]] if "network" in values else _network(values)
    return build_network(network, values["width"], values["resolution"], options, input_shape, classes)


def _elastic(
    fixed: Mapping[str, Any],
    varied: Mapping[str, Sequence[Any]],
    options: Options,
    input_shape: tuple[int, ...],
    classes: int,
) -> ElasticNetwork:
    check_image("mobilenet_v3", input_shape)
    _check_elastic(varied)
    (width,), (resolution,), depth = varied["width"], varied["resolution"], max(varied["depths"])
    smallest, largest = ({**fixed, **_everywhere(varied, of)} for of in (min, max))
    network = _network(largest)
    numbers = Numbers(ElasticForm.NUMBERS * (len(network.blocks) - 1))
    model = build_network(
        network,
        width,
        resolution,
        options,
        input_shape,
        classes,
        lambda place: ElasticForm(numbers) if place > 0 else Form(),
        numbers.input,
    )

    def shapes(genotype: Mapping[str, Any]) -> list[float]:
        values, entering = {**fixed, **genotype}, rounded(_FIRST.filters * width)
        found: list[float] = []
        for s, (filters, *_) in enumerate(_STAGES, 1):
            for b in range(1, depth + 1):
                if b > values[f"stage_{s}_depth"]:
                    found += ElasticForm.ABSENT
                    continue
                inside = rounded(entering * values[f"stage_{s}_block_{b}_expansion"])
                found += [values[f"stage_{s}_block_{b}_kernel"], inside, squeezed(inside)]
                entering = rounded(filters * width)
        return found

    return ElasticNetwork(model, shapes, [smallest, largest])


def _check_elastic(varied: Mapping[str, Sequence[Any]]) -> None:
    for name in ("width", "resolution"):
        if len(varied[name]) > 1:
            raise ValueError(f"mobilenet_v3.{name} must be one where networks share weights; received {varied[name]}")
    if any(kernel % 2 == 0 for kernel in varied["kernels"]):
        raise ValueError(f"mobilenet_v3.kernels must be odd where networks share weights; received {varied['kernels']}")
    if 1 in varied["expansions"]:
        raise ValueError(
            f"mobilenet_v3.expansions must differ from 1 where networks share weights; received {varied['expansions']}"
        )


def _everywhere(varied: Mapping[str, Sequence[Any]], of: Callable[[Sequence[Any]], Any]) -> dict[str, Any]:
    chosen = {name: of(varied[f"{name}s"]) for name in ("kernel", "expansion")}
    genotype = {}
    for s in range(1, len(_STAGES) + 1):
        genotype[f"stage_{s}_depth"] = of(varied["depths"])
        for b in range(1, max(varied["depths"]) + 1):
            genotype |= {f"stage_{s}_block_{b}_{name}": value for name, value in chosen.items()}
    return genotype


def _network(values: Mapping[str, Any]) -> Network:
    blocks = [_FIRST]
    for s, (filters, squeeze, activation, stride) in enumerate(_STAGES, 1):
        for b in range(1, values[f"stage_{s}_depth"] + 1):
            kernel, expansion = values[f"stage_{s}_block_{b}_kernel"], values[f"stage_{s}_block_{b}_expansion"]
            blocks.append(Block(kernel, expansion, filters, squeeze, activation, stride if b == 1 else 1))
    return Network(tuple(blocks), features=1280)
