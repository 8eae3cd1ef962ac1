"""Optimizers, schedules, gradient transforms and training for Keras 3 on TensorFlow, JAX and torch."""

import os
import sys

__version__ = "0.1.0"

__all__ = [
    "CorruptStateError",
    "callbacks",
    "converged",
    "create_adabelief_config",
    "create_adabound_config",
    "create_adadelta_config",
    "create_adafactor_config",
    "create_adagrad_config",
    "create_adam_config",
    "create_adamax_config",
    "create_adamp_config",
    "create_adamw_config",
    "create_adan_config",
    "create_ademamix_config",
    "create_adopt_config",
    "create_came_config",
    "create_cosine_annealing_scheduler",
    "create_lamb_config",
    "create_lars_config",
    "create_lazyadam_config",
    "create_lion_config",
    "create_mars_config",
    "create_nadam_config",
    "create_neural_optimizer",
    "create_novograd_config",
    "create_radam_config",
    "create_rmsprop_config",
    "create_sgd_config",
    "create_sgdp_config",
    "create_yogi_config",
    "get_final_loss",
    "get_final_weights",
    "get_training_history",
    "l2_penalty",
    "optimizers",
    "schedules",
    "train_neural_network",
    "training",
    "transforms",
]

# The console script chooses a backend and then loads this file again: Keras, which the lines below import, fixes the
# backend for good, and Python imports a package before the script that lies in it.
_is_script = os.path.splitext(os.path.basename(sys.argv[0]))[0] == "keras-neural-opt"

if not _is_script or "keras_neural_opt.cli" in sys.modules:
    from keras_neural_opt import callbacks, optimizers, schedules, training, transforms
    from keras_neural_opt._core.files import CorruptStateError
    from keras_neural_opt.api import (
        converged,
        create_adabelief_config,
        create_adabound_config,
        create_adadelta_config,
        create_adafactor_config,
        create_adagrad_config,
        create_adam_config,
        create_adamax_config,
        create_adamp_config,
        create_adamw_config,
        create_adan_config,
        create_ademamix_config,
        create_adopt_config,
        create_came_config,
        create_cosine_annealing_scheduler,
        create_lamb_config,
        create_lars_config,
        create_lazyadam_config,
        create_lion_config,
        create_mars_config,
        create_nadam_config,
        create_neural_optimizer,
        create_novograd_config,
        create_radam_config,
        create_rmsprop_config,
        create_sgd_config,
        create_sgdp_config,
        create_yogi_config,
        get_final_loss,
        get_final_weights,
        get_training_history,
        l2_penalty,
        train_neural_network,
    )
