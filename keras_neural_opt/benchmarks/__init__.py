"""Benchmarks whose figures the documentation shows."""

from keras_neural_opt.benchmarks._record import environment, write_record
from keras_neural_opt.benchmarks._sparse_rows import sparse_rows

__all__ = ["environment", "sparse_rows", "write_record"]
