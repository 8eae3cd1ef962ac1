"""Trials that end before anything is trained, as what they would train breaks a limit."""

from collections.abc import Mapping

import keras_tuner as kt


class RefusedTrialError(kt.errors.FailedTrialError):
    """Raised by a hypermodel, before it trains, for what is not worth a training.

    Args:
        reason: Why.
        measured: Metrics that are known without a training, such as `{"params": 5_000_000.0}`: constraints of these
            are told to the sampler.
    """

    def __init__(self, reason: str, measured: Mapping[str, float]) -> None:
        super().__init__(reason)
        self.reason, self.measured = reason, measured
