"""What tells, before a training is whole, whether it is worth it."""

from collections.abc import Callable
from typing import Any

from keras_neural_opt.hpo._halving import SuccessiveHalving

# Each with what pauses trainings, or None. `auto` is the first for one objective, else the second.
PREDICTORS: dict[str, Callable[[], Any]] = {
    "auto": SuccessiveHalving,
    "early_stopping": SuccessiveHalving,
    "none": lambda: None,
}


def pruner_of(predictor: str, objectives: int) -> Any:
    """Return the pruner of a performance predictor, as `OptunaOracle` takes it."""
    return None if objectives > 1 and predictor == "auto" else PREDICTORS[predictor]()
