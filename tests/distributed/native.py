"""How each engine trains data-parallel by itself, without this library: what ours is compared with."""

from collections.abc import Callable

import keras
import numpy as np

import keras_neural_opt as kno


def train(cluster: kno.distributed.Cluster, model: keras.Model, x: np.ndarray, y: np.ndarray, epochs: int) -> None:
    """Train a model compiled with one of Keras' optimizers on all processes, on batches of 32 in the given order."""
    _BY[keras.backend.backend()](cluster, model, x.reshape(-1, 32, x.shape[1]), y.reshape(-1, 32, y.shape[1]), epochs)


def fit_fails(model: keras.Model, x: np.ndarray, y: np.ndarray) -> str:
    """Return how Keras' own `fit` fails on several workers of TensorFlow, or nothing."""
    from keras.src.backend.tensorflow import trainer

    cls = trainer.TensorFlowTrainer
    repaired = trainer.reduce_per_replica, cls._maybe_symbolic_build
    trainer.reduce_per_replica, cls._maybe_symbolic_build = (function.__wrapped__ for function in repaired)
    try:
        model.fit(x, y, batch_size=32, verbose=0)
    except Exception as error:
        return type(error).__name__
    finally:
        trainer.reduce_per_replica, cls._maybe_symbolic_build = repaired
    return ""


def wrapped_by_keras(model: keras.Model) -> keras.Model:
    """Give a model on torch the attribute and the train function of Keras' development version, which wraps in DDP."""
    from torch.nn.parallel import DistributedDataParallel

    class Wrapping(type(model)):
        ddp_model = None

        def make_train_function(self, force: bool = False) -> None:
            if self.ddp_model is None:
                object.__setattr__(self, "ddp_model", DistributedDataParallel(self))
            super().make_train_function(force)

    model.__class__ = Wrapping
    return model


def _torch(cluster: kno.distributed.Cluster, model: keras.Model, xs: np.ndarray, ys: np.ndarray, epochs: int) -> None:
    import torch
    from torch.nn.parallel import DistributedDataParallel

    parallel = DistributedDataParallel(model)
    for _ in range(epochs):
        for x, y in zip(xs, ys, strict=True):
            own = slice(cluster.rank, None, cluster.size)
            model.zero_grad()
            ((parallel(torch.tensor(x[own])) - torch.tensor(y[own])) ** 2).mean().backward()
            with torch.no_grad():
                model.optimizer.apply([v.value.grad for v in model.trainable_variables], model.trainable_variables)


def _jax(cluster: kno.distributed.Cluster, model: keras.Model, xs: np.ndarray, ys: np.ndarray, epochs: int) -> None:
    # Without our train step: XLA's partitioner reduces the gradients.
    part = 32 // cluster.size
    own = slice(cluster.rank * part, (cluster.rank + 1) * part)
    x, y = (np.concatenate([batch[own] for batch in batches]) for batches in (xs, ys))
    model.fit(x, y, batch_size=part, epochs=epochs, shuffle=False, verbose=0)


def _tensorflow(
    cluster: kno.distributed.Cluster, model: keras.Model, xs: np.ndarray, ys: np.ndarray, epochs: int
) -> None:
    import tensorflow as tf

    strategy = tf.distribute.get_strategy()
    with strategy.scope():
        model.optimizer.build(model.trainable_variables)

    @tf.function
    def step(x: object, y: object) -> None:
        def on_replica(x: object, y: object) -> None:
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean((model(x) - y) ** 2) / cluster.size
            gradients = tape.gradient(loss, model.trainable_variables)
            model.optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))

        strategy.run(on_replica, (x, y))

    for _ in range(epochs):
        for x, y in zip(xs, ys, strict=True):
            step(*(tf.constant(a[cluster.rank :: cluster.size]) for a in (x, y)))


_BY: dict[str, Callable[..., None]] = {"torch": _torch, "jax": _jax, "tensorflow": _tensorflow}
