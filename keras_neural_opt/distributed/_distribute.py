"""Makes a model ready for several workers."""

import keras

from keras_neural_opt._core.nested import chain
from keras_neural_opt.distributed._engine import engine
from keras_neural_opt.distributed._optimizer import DistributedOptimizer


def distribute(model: keras.Model) -> keras.Model:
    """Make a compiled model ready to be trained by several workers; a model that one worker trains stays as it is.

    On JAX it gives the model a train step in which each device keeps the gradients of its own part of the batch, which
    XLA would otherwise have reduced before any optimizer sees them. On torch it gives all weights the values that they
    have on the first worker, and metrics those of all of them; `DistributedDataParallel`, which Keras may put around,
    stays away. On both, statistics of batch norms are averaged in every step. On TensorFlow `fit` is repaired where it
    fails on several workers; batch norms keep what the first replica has seen.

    Args:
        model: The model, after `compile` with a `DistributedOptimizer`.

    Returns:
        The same model.

    Raises:
        ValueError: It is not compiled with such an optimizer, or, on JAX, has a train step of its own.

    Example:
        >>> import keras
        >>> import keras_neural_opt as kno
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
        >>> model.compile(kno.distributed.DistributedOptimizer("adam"), "mse")
        >>> model is kno.distributed.distribute(model)
        True
    """
    if not isinstance(model, keras.Model):
        raise ValueError(f"distribute.model must be a keras.Model; received {model!r}")
    if not any(isinstance(x, DistributedOptimizer) for x in chain(model.optimizer) if model.optimizer):
        raise ValueError("distribute.model must be compiled with a DistributedOptimizer; received one that is not")
    engine.distribute(model)
    return model
