"""What tells, before a training is whole, whether it is worth it."""

from collections.abc import Callable
from typing import Any

from keras_neural_opt.hpo._halving import SuccessiveHalving

# Each with what pauses trainings, or None.
PREDICTORS: dict[str, Callable[[], Any]] = {
    "auto": SuccessiveHalving,
    "early_stopping": SuccessiveHalving,
    "none": lambda: None,
}


def pruner_of(predictor: str, objectives: int, time_limit: float | None) -> Any:
    """Return the pruner of a performance predictor, as `OptunaOracle` takes it.

    Where the time may be up before a training is whole, `auto` trains each network whole.
    """
    if predictor == "auto" and (objectives > 1 or time_limit is not None):
        return None
    return PREDICTORS[predictor]()
