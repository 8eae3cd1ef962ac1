"""KerasTuner's JSON files, for programs that read them. Nothing here is read back."""

import json
from pathlib import Path
from typing import Any

from keras_neural_opt._core.files import write_atomic


def write_derived(oracle: Any, project: Path, trial_id: str) -> None:
    """Write what KerasTuner would have written after a trial.

    Args:
        oracle: The `OptunaOracle`.
        project: The folder of the search.
        trial_id: The trial.
    """
    folder = project / f"trial_{trial_id}"
    folder.mkdir(exist_ok=True)
    write_atomic(folder / "trial.json", json.dumps(oracle.get_trial(trial_id).get_state(), default=str))
    write_atomic(project / "oracle.json", json.dumps(oracle.get_state(), default=str))
