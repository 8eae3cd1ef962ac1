"""Benchmarks whose figures the documentation shows."""

from keras_neural_opt.benchmarks._record import environment, write_record
from keras_neural_opt.benchmarks._sparse_rows import sparse_rows
from keras_neural_opt.benchmarks._step import step

__all__ = ["environment", "sparse_rows", "step", "write_record"]
