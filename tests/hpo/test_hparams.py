import importlib.util
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import keras
import pytest

from keras_neural_opt.hpo import OptunaTuner, SearchResult
from keras_neural_opt.hpo._hparams import own_folders
from tests.conftest import BACKEND
from tests.hpo.searches import TWO, oracle, result, run, two, value_of
from tests.hpo.small import DATA, build

needs_tensorboard = pytest.mark.skipif(
    importlib.util.find_spec("tensorboard") is None,
    reason="tensorboard is not installed, as another test shows that nothing else needs it",
)


def events(folder: Path) -> list[Any]:
    """Return what TensorBoard itself reads in the files of a folder."""
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

    return [event for file in sorted(folder.glob("*tfevents*")) for event in EventFileLoader(str(file)).Load()]


def hparams(folder: Path, kind: str) -> Any:
    """Return the one message of the board of a kind."""
    from tensorboard.plugins.hparams import metadata, plugin_data_pb2

    found = []
    for value in (value for event in events(folder) for value in event.summary.value):
        if value.metadata.plugin_data.plugin_name == metadata.PLUGIN_NAME:
            data = plugin_data_pb2.HParamsPluginData.FromString(value.metadata.plugin_data.content)
            found += [data] if data.HasField(kind) else []
    (only,) = found
    return getattr(only, kind)


def scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    from tensorboard.util.tensor_util import make_ndarray

    found: dict[str, list[tuple[int, float]]] = {}
    for event in events(folder):
        for value in event.summary.value:
            if value.metadata.plugin_data.plugin_name == "scalars":
                found.setdefault(value.tag, []).append((event.step, float(make_ndarray(value.tensor))))
    return found


@needs_tensorboard
def test_the_board_has_hyperparameters_metrics_and_ends(tmp_path: Path) -> None:
    from tensorboard.plugins.hparams import api_pb2

    def value(values: dict) -> float:
        if values["kind"] == "plain":
            raise ArithmeticError
        return value_of(values)

    found = result(value=value, max_trials=6)
    assert found.to_tensorboard(tmp_path / "board") == tmp_path / "board"
    config = hparams(tmp_path / "board", "experiment")
    assert [info.name for info in config.hparam_infos] == ["rate", "kind", "shift", "width"]
    assert [(info.name.tag, info.display_name) for info in config.metric_infos] == [("best/loss", "loss")]
    for trial in found.trials:
        folder = tmp_path / "board" / f"{trial.number:04d}"
        start = hparams(folder, "session_start_info").hparams
        assert start["kind"].string_value == trial.hyperparameters["kind"]
        assert start["rate"].number_value == trial.hyperparameters["rate"]
        assert ("width" in start) == ("width" in trial.hyperparameters)
        failed = trial.state == "failed"
        status = api_pb2.STATUS_FAILURE if failed else api_pb2.STATUS_SUCCESS
        assert hparams(folder, "session_end_info").status == status
        if failed:
            assert scalars(folder) == {}
        else:
            expected = [*enumerate(trial.history["loss"], 1)]
            assert scalars(folder)["loss"] == [(step, pytest.approx(value)) for step, value in expected]
            assert scalars(folder)["best/loss"] == [(3, pytest.approx(trial.values[0]))]


@needs_tensorboard
def test_what_is_written_again_replaces_what_was(tmp_path: Path) -> None:
    made = run(oracle(TWO, max_trials=2), two)
    found = SearchResult(SimpleNamespace(oracle=made))
    found.to_tensorboard(tmp_path)
    made.max_trials = 3
    run(made, two)
    found.to_tensorboard(tmp_path)
    assert len(list(tmp_path.glob("*tfevents*"))) == 1
    assert len(scalars(tmp_path / "0000")["best/seconds"]) == 1
    assert (tmp_path / "0002").is_dir()


@needs_tensorboard
@pytest.mark.slow
def test_it_needs_no_tensorflow(tmp_path: Path) -> None:
    program = (
        "import sys; sys.modules['tensorflow'] = None\n"
        "from tests.hpo.searches import result\n"
        f"result(max_trials=2).to_tensorboard({str(tmp_path)!r})\n"
    )
    if BACKEND == "tensorflow":
        pytest.skip("Keras itself needs TensorFlow on this backend")
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)
    assert (tmp_path / "0001").is_dir()


@needs_tensorboard
@pytest.mark.slow
def test_a_search_with_keras_callback_fills_the_board_as_it_goes(tmp_path: Path) -> None:
    pytest.importorskip("tensorflow", reason="Keras' callback writes with TensorFlow")
    tuner = OptunaTuner(build, "val_loss", 2, seed=1, directory=tmp_path)
    board = keras.callbacks.TensorBoard(str(tmp_path / "board"), write_graph=False)
    tuner.search(*DATA, validation_data=DATA, epochs=2, verbose=0, callbacks=[board])
    for trial in SearchResult(tuner).trials:
        folder = tmp_path / "board" / f"{trial.number:04d}"
        assert hparams(folder, "session_start_info").hparams["rate"].number_value == trial.hyperparameters["rate"]
        written = scalars(folder / "0" / "validation")["epoch_loss"]
        assert [value for _, value in written] == pytest.approx(trial.history["val_loss"])


def test_each_training_has_a_folder_of_its_own() -> None:
    board, other = keras.callbacks.TensorBoard("logs"), keras.callbacks.TerminateOnNaN()
    assert own_folders([other, board], "0007", 2) == [Path("logs")]
    assert Path(board.log_dir) == Path("logs", "0007", "2")


def test_without_tensorboard_it_says_what_it_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    for name in [name for name in sys.modules if name.startswith("tensorboard.")]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(ImportError, match="to_tensorboard needs TensorBoard: pip install tensorboard"):
        result(max_trials=1).to_tensorboard(tmp_path / "board")
    assert not (tmp_path / "board").exists()
