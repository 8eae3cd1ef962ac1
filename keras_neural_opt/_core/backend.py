"""The one seam to TensorFlow, JAX and torch: the functions of the backend that Keras runs on."""

import keras

NAME = keras.backend.backend()

if NAME == "tensorflow":
    from keras_neural_opt._core import backend_tensorflow as native
elif NAME == "jax":
    from keras_neural_opt._core import backend_jax as native  # type: ignore[no-redef]
elif NAME == "torch":
    from keras_neural_opt._core import backend_torch as native  # type: ignore[no-redef]
else:
    raise ImportError(f"keras_neural_opt runs on the backends tensorflow, jax and torch, not on {NAME}")

__all__ = ["HOST_SCALARS", "NAME", "native"]

# Rules compute with Python floats on torch (float64, no kernel launch) and with 0-d tensors elsewhere (traced once).
HOST_SCALARS = NAME == "torch"
