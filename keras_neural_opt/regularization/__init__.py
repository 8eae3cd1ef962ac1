"""What keeps a model from learning its training data by heart: what an optimizer decays, and why."""

from keras_neural_opt.regularization._summary import VariableSummary, summary

__all__ = ["VariableSummary", "summary"]
