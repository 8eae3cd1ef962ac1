"""Variables of typical models, by their shapes: what a step costs depends on nothing else of a model."""

import math
from collections.abc import Sequence

import numpy as np

Shape = tuple[int, ...]


def resnet50() -> list[Shape]:
    """Return the 161 variables, 25.6 million parameters, of a ResNet-50 for 1000 classes."""
    shapes: list[Shape] = [(7, 7, 3, 64), (64,), (64,)]
    channels = 64
    for width, blocks in ((64, 3), (128, 4), (256, 6), (512, 3)):
        for block in range(blocks):
            convolutions = [(1, 1, channels, width), (3, 3, width, width), (1, 1, width, 4 * width)]
            if block == 0:
                convolutions.append((1, 1, channels, 4 * width))
            for kernel in convolutions:
                shapes += [kernel, kernel[-1:], kernel[-1:]]
            channels = 4 * width
    return [*shapes, (2048, 1000), (1000,)]


def transformer(layers: int = 6, width: int = 512, words: int = 16_000) -> list[Shape]:
    """Return the variables of a language model: embedding, then attention, feed-forward and norms a layer."""
    layer: list[Shape] = [(width, width), (width,)] * 4
    layer += [(width, 4 * width), (4 * width,), (4 * width, width), (width,)] + [(width,)] * 4
    return [(words, width), *layer * layers]


def mlp() -> list[Shape]:
    """Return the variables of a small network for MNIST."""
    return [(784, 512), (512,), (512, 512), (512,), (512, 10), (10,)]


def many() -> list[Shape]:
    """Return 160 matrices of 64 x 64, where the calls cost more than the arithmetic."""
    return [(64, 64)] * 160


MODELS = {"resnet50": resnet50, "transformer": transformer, "mlp": mlp, "many": many}


def weights_and_gradients(shapes: Sequence[Shape], seed: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Return float32 arrays of typical sizes."""
    rng = np.random.default_rng(seed)
    weights, gradients = ([rng.normal(scale=s, size=shape).astype("float32") for shape in shapes] for s in (0.05, 0.01))
    return weights, gradients


def parameters(shapes: list[Shape]) -> int:
    """Return the number of elements of all shapes."""
    return sum(math.prod(shape) for shape in shapes)
