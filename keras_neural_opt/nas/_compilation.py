"""How networks are compiled that are trained for a short while."""

from contextlib import AbstractContextManager, nullcontext

from keras_neural_opt._core.backend import NAME


def jit_compile() -> bool | str:
    """Return what `compile` gets: TensorFlow without XLA; JAX has nothing else."""
    return False if NAME == "tensorflow" else "auto"


def while_building() -> AbstractContextManager[None]:
    """Return a context for the making of a network, in which JAX compiles a function for each shape of its weights."""
    if NAME != "jax":
        return nullcontext()
    from keras_neural_opt._core.backend_jax_compile import compiled_quickly

    return compiled_quickly()
