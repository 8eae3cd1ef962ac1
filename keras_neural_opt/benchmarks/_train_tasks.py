"""What the training benchmark trains: a model, data, a batch size, a budget of steps and a target."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras

from keras_neural_opt.benchmarks import _train_data as data

_CONTEXT, _WIDTH, _CHARACTERS = 32, 32, 65


@dataclass(frozen=True)
class Task:
    """A network, its data and how long it is trained.

    Args:
        title: What the tables and pictures call it.
        model: Makes the network, which returns logits.
        data: Loads the data, given the folder of data sets or None.
        batch: The samples of a step.
        steps: How many steps a run has.
        every: After how many steps the network is judged.
        target: The score that counts as arrived; None where every run goes to its end and the last score counts.
        judged_on: How many held-out samples make a score.
        context: Of a text the length of a sample; the score is then the loss, else the accuracy.
    """

    title: str
    model: Callable[[], Any]
    data: Callable[[Path | None], data.Data]
    batch: int
    steps: int
    every: int
    target: float | None
    judged_on: int = 2_000
    context: int | None = None

    @property
    def metric(self) -> str:
        """`"accuracy"`, or `"loss"` of a text."""
        return "accuracy" if self.context is None else "loss"

    def better(self, score: float, than: float) -> bool:
        """Return whether one score is better than another; a NaN is better than none."""
        return score > than if self.metric == "accuracy" else score < than

    def arrived(self, score: float) -> bool:
        """Return whether a score reaches the target."""
        return self.target is not None and not self.better(self.target, score) and score == score


def small_cnn() -> Any:
    """Return a convolutional network for 8 x 8 digits."""
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(16, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(32, 3, padding="same", activation="relu"),
            layers.Flatten(),
            layers.Dense(10),
        ]
    )


def mnist_cnn() -> Any:
    """Return a convolutional network for MNIST."""
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(8, 3, strides=2, padding="same", activation="relu"),
            layers.Conv2D(16, 3, strides=2, padding="same", activation="relu"),
            layers.Flatten(),
            layers.Dense(64, activation="relu"),
            layers.Dense(10),
        ]
    )


def small_resnet(width: int = 12) -> Any:
    """Return a residual network of three blocks, with batch normalization, for 32 x 32 colour images."""
    layers = keras.layers

    def convolution(x: Any, channels: int, size: int, strides: int) -> Any:
        x = layers.Conv2D(channels, size, strides=strides, padding="same", use_bias=False)(x)
        # Runs are short: the moving statistics must follow within them.
        return layers.BatchNormalization(momentum=0.9)(x)

    inputs = keras.Input((32, 32, 3))
    x = layers.ReLU()(convolution(inputs, width, 3, 2))
    for channels, strides in ((width, 1), (2 * width, 2), (4 * width, 2)):
        inner = layers.ReLU()(convolution(x, channels, 3, strides))
        inner = convolution(inner, channels, 3, 1)
        shortcut = x if strides == 1 else convolution(x, channels, 1, strides)
        x = layers.ReLU()(layers.Add()([inner, shortcut]))
    return keras.Model(inputs, layers.Dense(10)(layers.GlobalAveragePooling2D()(x)))


def character_gpt(layers_of: int = 2, heads: int = 4) -> Any:
    """Return a transformer that predicts the next character of a text."""
    layers = keras.layers
    characters = keras.Input((_CONTEXT,), dtype="int32")
    x = layers.Embedding(_CHARACTERS, _WIDTH)(characters)
    x = _Positions()(x)
    for _ in range(layers_of):
        normed = layers.LayerNormalization()(x)
        x = layers.Add()([x, layers.MultiHeadAttention(heads, _WIDTH // heads)(normed, normed, use_causal_mask=True)])
        normed = layers.LayerNormalization()(x)
        x = layers.Add()([x, layers.Dense(_WIDTH)(layers.Dense(4 * _WIDTH, activation="gelu")(normed))])
    return keras.Model(characters, layers.Dense(_CHARACTERS)(layers.LayerNormalization()(x)))


class _Positions(keras.layers.Layer):
    """Adds a trained vector for each position."""

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.positions = self.add_weight(
            shape=input_shape[1:], initializer=keras.initializers.RandomNormal(stddev=0.02)
        )

    def call(self, inputs: Any) -> Any:
        return inputs + self.positions


def _large_batch(size: int, epochs: int = 3, images: int = 60_000) -> Task:
    every = images // size
    return Task(f"MNIST, batches of {size}", mnist_cnn, data.mnist, size, epochs * every, every, None, 10_000)


TASKS = {
    "digits": Task("digits, small CNN", small_cnn, data.digits, 32, 300, 10, 0.96),
    "mnist": Task("MNIST, small CNN", mnist_cnn, data.mnist, 64, 400, 20, 0.955),
    "cifar10": Task("10,000 images of CIFAR-10, small ResNet", small_resnet, data.cifar10, 32, 240, 20, 0.40, 1_000),
    "shakespeare": Task(
        "Shakespeare, character GPT", character_gpt, data.shakespeare, 16, 320, 20, 2.5, 500, context=_CONTEXT
    ),
    "mnist_batch_64": _large_batch(64),
    "mnist_batch_4096": _large_batch(4096),
}
