"""Softmax regression on real digits: the loss in NumPy and in keras.ops, its gradient by hand, its training by hand."""

from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
from sklearn.datasets import load_digits

from tests.oracles.loop import Loop

CLASSES = 10

Weights = dict[str, np.ndarray]
Batch = tuple[np.ndarray, np.ndarray]


def digits(samples: int) -> Batch:
    images, labels = load_digits(return_X_y=True)
    return (images[:samples] / 16).astype("float32"), labels[:samples].astype("int32")


def initial_weights() -> Weights:
    # Not zero, so that weight decay does something from the first step on.
    kernel = np.random.default_rng(0).normal(0, 0.3, (64, CLASSES))
    return {"kernel": kernel, "bias": np.linspace(-1, 1, CLASSES)}


def numpy_loss(weights: Weights, batch: Batch) -> Any:
    images, labels = batch
    logits = images @ weights["kernel"] + weights["bias"]
    logits = logits - logits.max(axis=1, keepdims=True)
    log_probabilities = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    return -log_probabilities[np.arange(len(labels)), labels].mean()


def numpy_gradient(weights: Weights, batch: Batch) -> Weights:
    images, labels = batch
    logits = images @ weights["kernel"] + weights["bias"]
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    errors = odds / odds.sum(axis=1, keepdims=True) - np.eye(CLASSES)[labels]
    return {"kernel": images.T @ errors / len(labels), "bias": errors.mean(axis=0)}


def keras_loss(weights: Any, batch: Any) -> Any:
    images, labels = batch
    logits = keras.ops.matmul(images, weights["kernel"]) + weights["bias"]
    return keras.ops.mean(keras.ops.sparse_categorical_crossentropy(labels, logits, from_logits=True))


def keras_gradient(weights: Any, batch: Any) -> Any:
    images, labels = batch
    logits = keras.ops.matmul(images, weights["kernel"]) + weights["bias"]
    errors = keras.ops.softmax(logits) - keras.ops.one_hot(labels, CLASSES, dtype=logits.dtype)
    samples = keras.ops.cast(keras.ops.shape(images)[0], logits.dtype)
    return {
        "kernel": keras.ops.matmul(keras.ops.transpose(images), errors) / samples,
        "bias": keras.ops.mean(errors, axis=0),
    }


def batches(data: Batch, size: int) -> Iterator[Batch]:
    for start in range(0, len(data[0]), size):
        yield data[0][start : start + size], data[1][start : start + size]


def train_by_hand(
    loop: Loop,
    data: Batch,
    epochs: int,
    batch_size: int,
    loss: Callable[[Weights, Batch], Any] = numpy_loss,
) -> tuple[Weights, list[float]]:
    """Return the weights after and the mean loss of each epoch, in float64, without shuffling."""
    exact = (data[0].astype("float64"), data[1])
    loop.start(list(initial_weights().values()))
    names = list(initial_weights())
    history = []
    for _ in range(epochs):
        total = 0.0
        for batch in batches(exact, batch_size):
            weights = dict(zip(names, loop.variables, strict=True))
            total += float(loss(weights, batch)) * len(batch[0])
            gradients = numpy_gradient(weights, batch)
            loop.apply([gradients[name] for name in names])
        history.append(total / len(exact[0]))
    return dict(zip(names, loop.variables, strict=True)), history
