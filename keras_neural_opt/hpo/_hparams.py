"""TensorBoard's board of hyperparameters: its own messages in files that are written here, without TensorFlow."""

import importlib.util
import io
import time
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

import keras
from optuna.trial import FrozenTrial, TrialState

from keras_neural_opt._core.files import write_atomic
from keras_neural_opt.hpo import _records as records
from keras_neural_opt.hpo._parameter import is_finite
from keras_neural_opt.hpo._space import SearchSpace
from keras_neural_opt.hpo._view import trial_id

# TensorBoard reads what has `tfevents` in its name. One name, so that what is written again replaces what was.
_FILE = "events.out.tfevents.0.keras_neural_opt"
# The objectives of the best epoch, beside the curves of the same name.
_BEST = "best/"


def own_folders(callbacks: Iterable[Any], trial: str, execution: int) -> list[Path]:
    """Give each TensorBoard callback a folder of the trial's own; return the folders that they had.

    Args:
        callbacks: Those of one training, changed in place.
        trial: The trial's name.
        execution: Which of its trainings it is.
    """
    boards = []
    for callback in callbacks:
        if isinstance(callback, keras.callbacks.TensorBoard):
            boards.append(Path(callback.log_dir))
            callback.log_dir = str(boards[-1] / trial / str(execution))
    return boards


def write_if_possible(log_dirs: Iterable[Path], oracle: Any, number: int) -> None:
    """Write a trial into these folders, where TensorBoard is installed: a training does not fail for want of it."""
    if importlib.util.find_spec("tensorboard") is not None:
        for log_dir in log_dirs:
            write_boards(log_dir, oracle, [oracle.study.get_trials(deepcopy=False)[number]])


def write_boards(log_dir: Path, oracle: Any, trials: Iterable[FrozenTrial]) -> Path:
    """Write what is searched, and each trial in a folder of its own.

    Args:
        log_dir: The folder; made if need be.
        oracle: An `OptunaOracle`.
        trials: Those to write; lost ones are left out.

    Raises:
        ImportError: TensorBoard is not installed.
    """
    try:
        from tensorboard.plugins.hparams import summary_v2 as hparams
    except ImportError as error:
        raise ImportError("SearchResult.to_tensorboard needs TensorBoard: pip install tensorboard") from error
    space, names = oracle.space(), [each.name for each in oracle.objectives]
    metrics = [hparams.Metric(_BEST + name, display_name=name) for name in names]
    config = hparams.hparams_config_pb([hparams.HParam(name) for name in dict.fromkeys(space.names)], metrics)
    _write(log_dir, [(config, 0, time.time())])
    for trial in trials:
        if records.counts(trial) and trial.state != TrialState.WAITING:
            _write(log_dir / trial_id(trial.number), _summaries(trial, space, names))
    return log_dir


def _summaries(trial: FrozenTrial, space: SearchSpace, objectives: list[str]) -> list[tuple[Any, int, float]]:
    """Return messages with their step and time."""
    from tensorboard.plugins.hparams import summary_v2 as hparams
    from tensorboard.plugins.scalar.summary_v2 import scalar_pb

    begin, end = (_seconds(when) for when in (trial.datetime_start, trial.datetime_complete))
    values = {name: _plain(value) for name, value in space.values(trial.params).items()}
    found = [(hparams.hparams_pb(values, trial_id(trial.number), begin), 0, begin)]
    for name, curve in records.history(trial).items():
        found += [(scalar_pb(name, value), epoch, end) for epoch, value in enumerate(curve, 1) if is_finite(value)]
    if trial.state == TrialState.COMPLETE:
        epoch = int(trial.user_attrs.get(records.BEST_STEP) or 0) + 1
        found += [(scalar_pb(_BEST + n, v), epoch, end) for n, v in zip(objectives, trial.values, strict=True)]
    if trial.state.is_finished():
        found.append((_end(trial.state == TrialState.FAIL, end), 0, end))
    return found


def _end(failed: bool, when: float) -> Any:
    """Return the message that says how a trial ended; the package's own function for it imports TensorFlow."""
    from tensorboard.compat.proto import summary_pb2
    from tensorboard.plugins.hparams import api_pb2, metadata, plugin_data_pb2

    status = api_pb2.STATUS_FAILURE if failed else api_pb2.STATUS_SUCCESS
    info = plugin_data_pb2.SessionEndInfo(status=status, end_time_secs=when)
    content = metadata.create_summary_metadata(plugin_data_pb2.HParamsPluginData(session_end_info=info))
    summary = summary_pb2.Summary()
    summary.value.add(tag=metadata.SESSION_END_INFO_TAG, metadata=content, tensor=metadata.NULL_TENSOR)
    return summary


def _write(folder: Path, summaries: Iterable[tuple[Any, int, float]]) -> None:
    from tensorboard.compat.proto import event_pb2
    from tensorboard.summary.writer.record_writer import RecordWriter

    buffer = io.BytesIO()
    writer = RecordWriter(buffer)
    writer.write(event_pb2.Event(wall_time=time.time(), file_version="brain.Event:2").SerializeToString())
    for summary, step, when in summaries:
        event = event_pb2.Event(wall_time=when, step=step)
        # Where TensorFlow is installed, some messages are of its own classes, with the same bytes.
        event.summary.MergeFromString(summary.SerializeToString())
        writer.write(event.SerializeToString())
    folder.mkdir(parents=True, exist_ok=True)
    write_atomic(folder / _FILE, buffer.getvalue())


def _seconds(when: datetime | None) -> float:
    return time.time() if when is None else when.timestamp()


def _plain(value: Any) -> Any:
    return value if isinstance(value, (bool, int, float, str)) else str(value)
