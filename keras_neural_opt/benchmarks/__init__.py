"""Benchmarks whose figures the documentation shows."""

from keras_neural_opt.benchmarks._architecture_search import architecture_search
from keras_neural_opt.benchmarks._architecture_trial import architecture_trial
from keras_neural_opt.benchmarks._architectures import architectures
from keras_neural_opt.benchmarks._batch_norm_decay import batch_norm_decay
from keras_neural_opt.benchmarks._batch_norm_decay_figure import batch_norm_decay_figure
from keras_neural_opt.benchmarks._communication import communication
from keras_neural_opt.benchmarks._communication_figure import communication_figure
from keras_neural_opt.benchmarks._compression_accuracy import compression_accuracy
from keras_neural_opt.benchmarks._compression_accuracy_figure import compression_accuracy_figure
from keras_neural_opt.benchmarks._compression_kernels import compression_kernels
from keras_neural_opt.benchmarks._dropout import dropout
from keras_neural_opt.benchmarks._dropout_figure import dropout_figure
from keras_neural_opt.benchmarks._early_stopping import early_stopping
from keras_neural_opt.benchmarks._fit import fit
from keras_neural_opt.benchmarks._learning_curves import record_learning_curves
from keras_neural_opt.benchmarks._range_test import range_test
from keras_neural_opt.benchmarks._range_test_figure import range_test_figure
from keras_neural_opt.benchmarks._record import environment, write_record
from keras_neural_opt.benchmarks._samplers import samplers
from keras_neural_opt.benchmarks._schedules import schedules
from keras_neural_opt.benchmarks._search_budget import search_budget
from keras_neural_opt.benchmarks._search_faults import search_faults
from keras_neural_opt.benchmarks._sparse_rows import sparse_rows
from keras_neural_opt.benchmarks._step import step
from keras_neural_opt.benchmarks._step_figure import losses, step_figure
from keras_neural_opt.benchmarks._step_suite import step_suite
from keras_neural_opt.benchmarks._train import train
from keras_neural_opt.benchmarks._train_figure import batch_size_figure, ranked, train_figure
from keras_neural_opt.benchmarks._trajectories import trajectory, trajectory_figure
from keras_neural_opt.benchmarks._transforms import transforms
from keras_neural_opt.benchmarks._wrappers import wrappers

__all__ = [
    "architecture_search",
    "architecture_trial",
    "architectures",
    "batch_norm_decay",
    "batch_norm_decay_figure",
    "batch_size_figure",
    "communication",
    "communication_figure",
    "compression_accuracy",
    "compression_accuracy_figure",
    "compression_kernels",
    "dropout",
    "dropout_figure",
    "early_stopping",
    "environment",
    "fit",
    "losses",
    "range_test",
    "range_test_figure",
    "ranked",
    "record_learning_curves",
    "samplers",
    "schedules",
    "search_budget",
    "search_faults",
    "sparse_rows",
    "step",
    "step_figure",
    "step_suite",
    "train",
    "train_figure",
    "trajectory",
    "trajectory_figure",
    "transforms",
    "wrappers",
    "write_record",
]
