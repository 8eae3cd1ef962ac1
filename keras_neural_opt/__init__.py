"""Optimizers, schedules, gradient transforms and training for Keras 3 on TensorFlow, JAX and torch."""

import os
import sys
from pathlib import Path

__version__ = "0.1.0"

__all__ = ["optimizers", "schedules", "transforms"]

# The console script chooses a backend and then loads this file again: Keras, which the lines below import, fixes the
# backend for good, and Python imports a package before the script that lies in it.
_choosing_backend = Path(sys.argv[0]).stem == "keras-neural-opt" and "KERAS_BACKEND" not in os.environ

if not _choosing_backend:
    from keras_neural_opt import optimizers, schedules, transforms
