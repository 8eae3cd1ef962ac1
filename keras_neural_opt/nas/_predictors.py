"""What tells, before a training is whole, whether it is worth it."""

from typing import Any

from keras_neural_opt.hpo._halving import SuccessiveHalving
from keras_neural_opt.hpo._space import SearchSpace
from keras_neural_opt.nas._screens import Screen, Surrogate, WeightSharing, ZeroCost
from keras_neural_opt.nas._shared_weights import SharedWeights

# Those that pause trainings: first after this part of a whole one.
_PAUSING = ("auto", "early_stopping")
_FIRST_PART = 9
# What discards networks before a training.
_SCREENS: dict[str, type[Screen]] = {each.name: each for each in (ZeroCost, Surrogate)}
_SHARED = WeightSharing.name

PREDICTORS = (*_PAUSING, *_SCREENS, _SHARED, "none")
# Those that say of one number what it will come to.
OF_ONE_OBJECTIVE = ("early_stopping", *_SCREENS, _SHARED)


def pruner_of(predictor: str, objectives: int, time_limit: float | None, epochs: int) -> Any:
    """Return the pruner of a performance predictor, as `OptunaOracle` takes it, or None.

    Where the time may be up before a training is whole, `auto` trains each network whole.
    """
    if predictor not in _PAUSING or (predictor == "auto" and (objectives > 1 or time_limit is not None)):
        return None
    return SuccessiveHalving(min_epochs=max(1, epochs // _FIRST_PART))


def shares_weights(predictor: str, strategy: str) -> bool:
    """Whether a predictor or a strategy needs weights that all networks share."""
    return predictor == _SHARED or strategy == "one_shot"


def screen_of(predictor: str, space: SearchSpace, shared: SharedWeights | None) -> Screen | None:
    """Return what discards networks of a space, or None."""
    if predictor == _SHARED and shared is not None:
        return WeightSharing(space, shared)
    return _SCREENS[predictor](space) if predictor in _SCREENS else None
