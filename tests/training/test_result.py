"""What a training result says, and how it is kept in files."""

import io
import json
import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keras_neural_opt._core.files import CorruptStateError
from keras_neural_opt.training import TrainingResult


def result(**history: list[float]) -> TrainingResult:
    return TrainingResult({"w": np.arange(3.0)}, history or {"loss": [2.0, 0.5], "val_loss": [1.0, float("nan")]})


@pytest.mark.parametrize(
    ("losses", "converged"),
    [
        ([1.0] + 6 * [0.1], True),
        ([1.0] + 5 * [0.1], False),  # the last five epochs brought everything
        ([1.0, 0.1, 0.1, 0.1, 0.1, 0.1, 0.0992], True),  # 0.0008 of a decrease of 0.9008
        ([1.0, 0.1, 0.1, 0.1, 0.1, 0.1, 0.0990], False),  # 0.0010 of a decrease of 0.9010 is more than a thousandth
        ([1.0, 0.1] + 4 * [0.5] + [0.1], True),  # a noisy loss that found nothing better
        ([0.1] + 6 * [1.0], False),  # never fell
        (7 * [1.0], False),
        ([1.0, 0.1, 0.1, 0.1, 0.1, 0.1, float("nan")], False),
        ([float("inf")] + 6 * [0.1], False),
        ([1.0] * 90 + [0.1] * 10, False),  # a tenth of a hundred epochs
        ([1.0] * 89 + [0.1] * 11, True),
    ],
)
def test_converged_follows_its_rule(losses: list[float], converged: bool):
    assert result(loss=losses).converged is converged


def test_summary():
    assert (result().final_loss, result().epochs_run) == (0.5, 2)
    assert repr(result()) == "TrainingResult(epochs_run=2, final_loss=0.5, converged=False)"


NESTED = {
    "list of tuples": [(np.ones((2, 3), "float32"), np.zeros(1)), []],
    "dictionary": {"b": {"x": np.array(1.5)}, "a": [np.arange(4, dtype="int32")]},
    "array": np.linspace(0, 1, 5),
}


@pytest.mark.parametrize("weights", NESTED.values(), ids=NESTED)
def test_save_and_load_give_back_weights_and_history(weights: Any, tmp_path: Path):
    before = TrainingResult(weights, {"loss": [2.0, float("inf")], "val_loss": [0.1, float("nan")]})
    after = TrainingResult.load(before.save(tmp_path / "result.npz"))
    assert describe(after.weights) == describe(weights)
    assert repr(after.history) == repr(before.history)
    assert [path.name for path in tmp_path.iterdir()] == ["result.npz"]


def describe(nested: Any) -> Any:
    if isinstance(nested, dict):
        return {name: describe(part) for name, part in nested.items()}
    if isinstance(nested, (list, tuple)):
        return type(nested)(describe(part) for part in nested)
    return nested.dtype, nested.shape, nested.tolist()


def test_weights_that_no_file_can_hold_are_refused_and_nothing_is_written(tmp_path: Path):
    for weights in ({1: np.ones(2)}, [object()]):
        with pytest.raises(ValueError, match="weights must"):
            TrainingResult(weights, {"loss": [1.0]}).save(tmp_path / "result.npz")
    assert list(tmp_path.iterdir()) == []


def rewrite(path: Path, **changes: Any) -> None:
    """Write the file anew with other members; None leaves one out."""
    with np.load(path) as archive:
        members = dict(archive.items())
    members |= changes
    np.savez(path, **{name: value for name, value in members.items() if value is not None})


def with_manifest(path: Path, **changes: Any) -> None:
    with np.load(path) as archive:
        manifest = json.loads(archive["manifest"].tobytes())
    rewrite(path, manifest=np.frombuffer(json.dumps(manifest | changes).encode(), np.uint8))


def npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


DAMAGE = {
    "empty": lambda path: path.write_bytes(b""),
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-40]),
    "one byte": lambda path: path.write_bytes(path.read_bytes().replace(b"TrainingResult", b"TrainingResulu", 1)),
    "text": lambda path: path.write_text("loss: 1"),
    "another zip": lambda path: zipfile.ZipFile(path, "w").close(),
    "an array": lambda path: path.write_bytes(npy(np.ones(3))),
    "pickled weights": lambda path: rewrite(path, weight_0=np.array([{}], object)),
    "no weights": lambda path: rewrite(path, weight_0=None),
    "more weights": lambda path: rewrite(path, weight_1=np.ones(1)),
    "no manifest": lambda path: rewrite(path, manifest=None),
    "no JSON": lambda path: rewrite(path, manifest=np.frombuffer(b"{", np.uint8)),
    "another format": lambda path: with_manifest(path, format="another"),
    "a newer version": lambda path: with_manifest(path, version=2),
    "another structure": lambda path: with_manifest(path, structure={"set": [0]}),
    "no losses": lambda path: with_manifest(path, history={}),
    "history of text": lambda path: with_manifest(path, history={"loss": ["low"]}),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_files_are_named(damage: str, tmp_path: Path):
    path = result().save(tmp_path / "result.npz")
    DAMAGE[damage](path)
    with pytest.raises(CorruptStateError, match=r"result\.npz: is no intact training result .*Save the result again"):
        TrainingResult.load(path)


def test_a_missing_file_is_missing(tmp_path: Path):
    with pytest.raises(FileNotFoundError):
        TrainingResult.load(tmp_path / "nothing.npz")


def test_plot_draws_each_loss():
    axes = result().plot().axes[0]
    assert [line.get_label() for line in axes.lines] == ["training", "validation"]
    np.testing.assert_array_equal(axes.lines[0].get_ydata(), [2.0, 0.5])


def test_the_report_is_one_file_without_requests_or_unescaped_text(tmp_path: Path):
    evil = '<script>alert("1")</script>&'
    history = {"loss": [2.0, 0.25], evil: [1.0, 2.0]}
    page = TrainingResult([], history).to_html(tmp_path / "report.html").read_text()
    assert "<script" not in page
    assert "&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;&amp;" in page
    assert "default-src 'none'" in page
    assert re.findall(r'(?:src|href)="(?!#)[^"]*', page.replace("xlink:href", "href")) == []
    assert "<svg" in page
    assert "final loss 0.25" in page


def test_the_same_result_gives_the_same_report(tmp_path: Path):
    pages = [result().to_html(tmp_path / name).read_text() for name in ("a.html", "b.html")]
    assert pages[0] == pages[1]
