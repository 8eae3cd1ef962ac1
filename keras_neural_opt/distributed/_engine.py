"""The one seam to the collectives of TensorFlow, JAX and torch."""

from keras_neural_opt._core.backend import NAME

if NAME == "tensorflow":
    from keras_neural_opt.distributed import _tf as engine
elif NAME == "jax":
    from keras_neural_opt.distributed import _jax as engine  # type: ignore[no-redef]
else:
    from keras_neural_opt.distributed import _torch as engine  # type: ignore[no-redef]

__all__ = ["engine"]
