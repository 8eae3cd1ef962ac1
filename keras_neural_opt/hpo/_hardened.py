"""What mends KerasTuner's own tuners where they lose work, hang or delete what is not theirs."""

import contextlib
import functools
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import keras_tuner as kt
from keras_tuner.src.engine import oracle as kt_oracle

from keras_neural_opt._core.files import CorruptStateError, write_atomic
from keras_neural_opt.hpo._project import checked_name, only_one, refuse_chief

_GUARDED = ("create_trial", "update_trial", "end_trial")


class HardenedTuner:
    """Put before a tuner of KerasTuner, mends what has nothing to do with how it searches.

    - Its files are whole or not there, whenever the process is killed; a damaged one is an error that names it.
    - Trials on TensorFlow need no tensorboard unless a callback does.
    - A project cannot lie outside its directory, only what KerasTuner made is overwritten, and a second search in the
      same project is refused.
    - `max_trials` must be at least 1, and an error inside the oracle does not leave its lock taken.

    `OptunaTuner` has none of these defects, and samples and prunes better.

    Example:
        >>> import keras_neural_opt as kno
        >>> import keras_tuner as kt
        >>> class RandomSearch(kno.hpo.HardenedTuner, kt.RandomSearch):
        ...     pass

    Raises:
        ValueError: `project_name` or `max_trials` breaks its rule; nothing was made or deleted then.
        CorruptStateError: A file of the project is damaged.
    """

    oracle: Any
    project_dir: str

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        refuse_chief()
        name = checked_name(f"{type(self).__name__}.project_name", kwargs.get("project_name") or "untitled_project")
        project = Path(kwargs.get("directory") or ".") / name
        overwrite = bool(kwargs.get("overwrite", False))
        _check_project(project, overwrite)
        with only_one(project) if overwrite and project.exists() else contextlib.nullcontext():
            super().__init__(*args, **kwargs)
        most = self.oracle.max_trials
        if most is not None and most < 1:
            raise ValueError(f"{type(self).__name__}.max_trials must be None or an integer >= 1; received {most!r}")
        _harden(self.oracle)

    def search(self, *args: Any, **kwargs: Any) -> Any:
        """Search, as the only one in this project.

        Raises:
            RuntimeError: Another search is at work here.
        """
        with only_one(Path(self.project_dir)):
            return super().search(*args, **kwargs)  # type: ignore[misc]

    def save(self) -> None:
        """Write the state to files that are whole or not there."""
        self.oracle.save()
        write_atomic(self._get_tuner_fname(), json.dumps(self.get_state()))  # type: ignore[attr-defined]

    def _configure_tensorboard_dir(self, callbacks: list[Any], trial: Any, execution: int = 0) -> None:
        if any(isinstance(callback, keras.callbacks.TensorBoard) for callback in callbacks):
            super()._configure_tensorboard_dir(callbacks, trial, execution)  # type: ignore[misc]


def _check_project(project: Path, overwrite: bool) -> None:
    if project.is_symlink():
        raise ValueError(f"project_name must not be that of a link; received {os.fspath(project)!r}")
    if overwrite and project.exists() and any(project.iterdir()) and not any(project.glob("*.json")):
        raise ValueError(
            f"project_name must be that of a search to overwrite; received {os.fspath(project)!r}, which is something"
            " else, and is left alone"
        )
    for file in [] if overwrite else [*project.glob("*.json"), *project.glob("trial_*/trial.json")]:
        try:
            json.loads(file.read_bytes())
        except ValueError as error:
            raise CorruptStateError(
                file,
                f"is no whole file ({error})",
                "Move it away, and its trial is forgotten, or overwrite the project",
            ) from error


def _harden(oracle: Any) -> None:
    """Mend one oracle: how it writes, and that it lets go of its lock."""

    def save() -> None:
        write_atomic(oracle._get_oracle_fname(), json.dumps(oracle.get_state()))

    def save_trial(trial: Any) -> None:
        folder = Path(oracle._get_trial_dir(trial.trial_id))
        write_atomic(folder / "trial.json", json.dumps(trial.get_state()))

    oracle.save, oracle._save_trial = save, save_trial
    for name in _GUARDED:
        setattr(oracle, name, _unlocking(oracle, getattr(oracle, name)))


def _unlocking(oracle: kt.Oracle, method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def call(*args: Any, **kwargs: Any) -> Any:
        held_before = kt_oracle.LOCKS[oracle].locked()
        try:
            return method(*args, **kwargs)
        except BaseException:
            if not held_before and kt_oracle.LOCKS[oracle].locked():
                kt_oracle.THREADS[oracle] = None
                kt_oracle.LOCKS[oracle].release()
            raise

    return call
