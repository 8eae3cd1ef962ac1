"""What earlier searches found, for the sampler to begin with."""

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from keras_neural_opt._core.files import CorruptStateError
from keras_neural_opt.hpo._parameter import is_finite

Finding = tuple[Mapping[str, Any], Sequence[float]]

_LARGEST = 10_000_000  # bytes of a trial's file


def findings(earlier: Any) -> list[Finding]:
    """Return the values by name and the objectives of the trials of an earlier search.

    Args:
        earlier: A `SearchResult`, the folder of a project of KerasTuner's, or pairs of values by name and objective.

    Raises:
        ValueError: It is none of these.
        CorruptStateError: A file of the project is damaged.
    """
    if hasattr(earlier, "best_trials"):
        return [(t.hyperparameters, t.values) for t in earlier.trials if t.values is not None]
    if isinstance(earlier, (str, os.PathLike)):
        return list(_of_keras_tuner(Path(earlier)))
    if isinstance(earlier, (list, tuple)) and all(_is_pair(pair) for pair in earlier):
        return [(values, value if isinstance(value, (list, tuple)) else [value]) for values, value in earlier]
    raise ValueError(
        "OptunaOracle.warm_start must be a SearchResult, the folder of a KerasTuner project, or a list of pairs of"
        f" values by name and objective; received {earlier!r}"
    )


def _is_pair(pair: Any) -> bool:
    return isinstance(pair, (tuple, list)) and len(pair) == 2 and isinstance(pair[0], Mapping)


def _of_keras_tuner(project: Path) -> Iterable[Finding]:
    files = sorted(project.glob("trial_*/trial.json"))
    if not files:
        raise ValueError(
            f"OptunaOracle.warm_start must be a KerasTuner project, with trials; received {str(project)!r}"
        )
    for file in files:
        if file.stat().st_size > _LARGEST:
            raise CorruptStateError(file, "is too large for a trial", "Move it away")
        try:
            state = json.loads(file.read_bytes())
            values, score = state["hyperparameters"]["values"], state["score"]
        except (KeyError, TypeError, ValueError) as error:
            raise CorruptStateError(file, f"is no trial of KerasTuner ({error})", "Move it away") from error
        if isinstance(values, dict) and isinstance(score, (int, float)) and is_finite(score):
            # What Hyperband adds is no hyperparameter of the model.
            yield {name: value for name, value in values.items() if not name.startswith("tuner/")}, [float(score)]
