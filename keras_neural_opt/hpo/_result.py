"""What a search gives back: everything is read from the study, so an earlier search can be looked at, too."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from optuna.trial import FrozenTrial, TrialState

from keras_neural_opt._core.files import write_atomic
from keras_neural_opt.hpo import _records as records
from keras_neural_opt.hpo._plots import SearchPlots
from keras_neural_opt.hpo._space import SearchSpace
from keras_neural_opt.hpo._view import trial_id

_STATES = {
    TrialState.COMPLETE: "completed",
    TrialState.FAIL: "failed",
    TrialState.RUNNING: "running",
    TrialState.WAITING: "waiting",
}


@dataclass(frozen=True)
class SearchedTrial:
    """One configuration of a search and what became of it.

    Args:
        number: Its number in the study, from 0.
        hyperparameters: Its values by name; a label where the search space has one.
        values: The objectives, each in the units of its metric; None where it did not complete.
        state: `"completed"`, `"pruned"`, `"paused"`, `"diverged"`, `"refused"` (it broke a limit, and was not trained),
            `"failed"`, `"running"`, `"waiting"` or `"lost"`.
        reason: Why it did not complete, or None.
        history: Each metric after each epoch.
        seconds: How long it took, or None while it runs.
        best_epoch: The epoch of its values, from 1, or None where it did not complete or reported none.

    Example:
        >>> import keras_neural_opt as kno
        >>> oracle = kno.hpo.OptunaOracle("loss", max_trials=1, seed=1)
        >>> trial = oracle.create_trial("here")
        >>> rate = trial.hyperparameters.Float("rate", 1e-3, 1e-1, sampling="log")
        >>> _ = oracle.update_trial(trial.trial_id, {"loss": 0.5}, step=0)
        >>> trial.status = "COMPLETED"
        >>> oracle.end_trial(trial)
        >>> from types import SimpleNamespace
        >>> searched = kno.hpo.SearchResult(SimpleNamespace(oracle=oracle)).trials[0]
        >>> searched.state, searched.values, searched.best_epoch
        ('completed', (0.5,), 1)
    """

    number: int
    hyperparameters: dict[str, Any]
    values: tuple[float, ...] | None
    state: str
    reason: str | None
    history: dict[str, list[float]]
    seconds: float | None
    best_epoch: int | None = None


def state_of(trial: FrozenTrial) -> str:
    """Return what became of a trial of Optuna, in a word."""
    if records.LOST in trial.user_attrs:
        return "lost"
    if records.REFUSED in trial.user_attrs:
        return "refused"
    return _STATES.get(trial.state) or str(trial.user_attrs.get(records.REASON) or "pruned")


def searched_trial(trial: FrozenTrial, space: SearchSpace) -> SearchedTrial:
    """Return a trial of Optuna in the words of the search."""
    return SearchedTrial(
        trial.number,
        space.values(trial.params),
        tuple(trial.values) if trial.state == TrialState.COMPLETE else None,
        state_of(trial),
        trial.user_attrs.get(records.REASON),
        records.history(trial),
        trial.user_attrs.get(records.SECONDS),
        _best_epoch(trial),
    )


def _best_epoch(trial: FrozenTrial) -> int | None:
    step = trial.user_attrs.get(records.BEST_STEP)
    return None if step is None or trial.state != TrialState.COMPLETE else int(step) + 1


_ROW = ("number", "state", "reason", "best_epoch", "seconds")


def _row(trial: SearchedTrial, objectives: list[str]) -> dict[str, Any]:
    return {
        **{name: getattr(trial, name) for name in _ROW},
        **dict(zip(objectives, trial.values or [None] * len(objectives), strict=True)),
        **{f"hyperparameters.{name}": value for name, value in trial.hyperparameters.items()},
    }


class SearchResult:
    """The trials of a search, the best of them, and its model.

    `hyperparameter_optimization` returns one.

    Args:
        tuner: An `OptunaTuner` that has searched.

    Example:
        >>> import tempfile
        >>> import keras
        >>> import numpy as np
        >>> import keras_neural_opt as kno
        >>> def build(hp):
        ...     model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
        ...     model.compile(kno.optimizers.SGD(hp.Float("rate", 1e-3, 1.0, sampling="log")), "mse")
        ...     return model
        >>> x = np.linspace(-1.0, 1.0, 32).reshape(-1, 1)
        >>> folder = tempfile.mkdtemp()
        >>> tuner = kno.hpo.OptunaTuner(build, "val_loss", max_trials=3, directory=folder, seed=1)
        >>> tuner.search(x, 2 * x, validation_data=(x, 2 * x), epochs=2, verbose=0)
        >>> result = kno.hpo.SearchResult(tuner)
        >>> result.best_value == min(trial.values[0] for trial in result.trials)
        True
        >>> result.to_html(f"{folder}/report.html").name
        'report.html'
    """

    #: What a report calls the search, what it found, and what that is made of.
    title: ClassVar[str] = "Hyperparameter search"
    what: ClassVar[str] = "hyperparameters"
    varied: ClassVar[str] = "hyperparameter"

    def __init__(self, tuner: Any) -> None:
        self.tuner, self.oracle = tuner, tuner.oracle

    @property
    def study(self) -> Any:
        """The study of Optuna."""
        return self.oracle.study

    @property
    def trials(self) -> list[SearchedTrial]:
        """All trials, in the order of their numbers."""
        space = self.oracle.space()
        return [searched_trial(t, space) for t in self.study.get_trials(deepcopy=False)]

    @property
    def best_trials(self) -> list[SearchedTrial]:
        """The completed trials, the best first; for several objectives those that no other is better than in all."""
        space = self.oracle.space()
        return [searched_trial(t, space) for t in self.oracle.best()]

    @property
    def best_trial(self) -> SearchedTrial:
        """The best trial; for several objectives the one that is best in the first.

        Raises:
            ValueError: None completed.
        """
        best = self.best_trials
        if not best:
            states = sorted({t.state for t in self.trials}) or ["none"]
            reasons = [t.reason for t in self.trials if t.reason]
            if "completed" in states:
                raise ValueError("SearchResult must have a trial that keeps the constraints; received none that does")
            raise ValueError(
                f"SearchResult must have a trial that completed; received trials that are {', '.join(states)}"
                f"{f', the last because: {reasons[-1]}' if reasons else ''}"
            )
        first = self.oracle.objectives[0].direction
        return (min if first == "min" else max)(best, key=lambda t: t.values[0])  # type: ignore[index]

    @property
    def best_hyperparameters(self) -> dict[str, Any]:
        """The values of the best trial, by name."""
        return self.best_trial.hyperparameters

    @property
    def best_value(self) -> float:
        """The first objective of the best trial."""
        return self.best_trial.values[0]  # type: ignore[index]

    @property
    def plot(self) -> SearchPlots:
        """Its pictures: `plot.history()`, `importance`, `parallel`, `slice`, `contour`, `pareto`, `learning_curves`."""
        return SearchPlots(self)

    def to_html(self, path: str | os.PathLike[str]) -> Path:
        """Write a report: one file, which asks the network for nothing and runs no script.

        Args:
            path: The file; its folder must exist.

        Returns:
            The path written.
        """
        from keras_neural_opt.hpo._search_report import search_page

        return write_atomic(path, search_page(self))

    def to_dataframe(self) -> Any:
        """Return a `pandas.DataFrame` with a row for each trial.

        Its columns are the trial's number (the index), state, reason, best epoch and seconds, each objective, and each
        hyperparameter as `hyperparameters.NAME`; what a trial does not have is missing.

        Raises:
            ImportError: pandas is not installed.
        """
        try:
            import pandas as pd
        except ImportError as error:
            raise ImportError("SearchResult.to_dataframe needs pandas: pip install pandas") from error
        objectives = [each.name for each in self.oracle.objectives]
        rows = [_row(trial, objectives) for trial in self.trials]
        columns = list(dict.fromkeys([*_ROW, *objectives, *(name for row in rows for name in row)]))
        return pd.DataFrame(rows, columns=columns).set_index("number")

    def to_tensorboard(self, log_dir: str | os.PathLike[str]) -> Path:
        """Write the trials for TensorBoard: its board of hyperparameters, and each trial's metrics over the epochs.

        It works on every backend and needs the package `tensorboard`, not TensorFlow. A search whose callbacks have a
        `keras.callbacks.TensorBoard` does it by itself, at each trial's end, in the folder of that callback.

        Args:
            log_dir: What `tensorboard --logdir` gets; each trial has a folder of its number there. What was written
                before is replaced.

        Returns:
            The folder.

        Raises:
            ImportError: The package is not installed.
        """
        from keras_neural_opt.hpo._hparams import write_boards

        return write_boards(Path(log_dir), self.oracle, self.study.get_trials(deepcopy=False))

    def best_model(self) -> Any:
        """Return the model of the best trial, with the weights of its best epoch.

        Raises:
            ValueError: No trial completed.
        """
        return self.tuner.load_model(self.oracle.get_trial(trial_id(self.best_trial.number)))

    def retrain(self, epochs: int | None = None, optimizer: Any = None) -> Any:
        """Return a new model with the best hyperparameters, trained on training and validation data together.

        Args:
            epochs: Passes over the data. Defaults to None: as many as the best epoch of the best trial had.
            optimizer: Another one, as `compile` takes it; its schedule may be in epochs. Defaults to None: the best
                trial's.

        Raises:
            ValueError: No trial completed, there is no such optimizer, or the search was not one of
                `hyperparameter_optimization` on arrays.
        """
        from keras_neural_opt.hpo._retrain import retrained

        return retrained(self.tuner, self.best_trial, epochs, optimizer)

    def __repr__(self) -> str:
        trials = self.trials
        complete = sum(t.state == "completed" for t in trials)
        best = f", best {self.oracle.objectives[0].name}={self.best_value:.6g}" if self.best_trials else ""
        return f"<{type(self).__name__}: {complete} of {len(trials)} trials completed{best}>"


def format_values(values: dict[str, Any]) -> str:
    """Return a line for each hyperparameter, values below each other."""
    width = max(map(len, values), default=0)
    return "\n".join(f"{name:<{width}}  {_formatted(value)}" for name, value in values.items())


def _formatted(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
