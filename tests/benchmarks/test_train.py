"""The benchmark of training: its protocol, its records and its pictures. No test asserts who wins."""

import json
import math
from pathlib import Path

import keras
import numpy as np
import pytest

from keras_neural_opt import benchmarks, optimizers
from keras_neural_opt.benchmarks import _train, _train_data, _train_tasks
from keras_neural_opt.benchmarks._train_contestants import KERAS_ADAMW, Contestant, contestants
from keras_neural_opt.benchmarks._train_data import Data
from keras_neural_opt.benchmarks._train_tasks import TASKS, Task

BACKEND = keras.backend.backend()
on_jax = pytest.mark.skipif(BACKEND != "jax", reason="the benchmark trains on JAX")

TASK = Task("a test", lambda: None, lambda folder: None, batch=4, steps=50, every=10, target=0.9)
TEXT = Task("a text", lambda: None, lambda folder: None, batch=4, steps=50, every=10, target=2.0, context=8)


class Recorded:
    """A trainer whose runs follow a script: the scores at each evaluation, by rate, decay and seed."""

    def __init__(self, scores):
        self.scores, self.calls = scores, []

    def run(self, make, seed, rate, longest):
        decay = make()
        self.calls.append((rate, decay, seed, longest))
        scores = self.scores(rate, decay, seed)[: math.ceil(longest / 10)]
        arrived = [k for k, score in enumerate(scores) if score >= 0.9]
        return scores[: arrived[0] + 1] if arrived else scores


def tuned(trainer, seeds=3, full=False):
    row, winner = _train._tuned(TASK, trainer, Contestant(lambda rate, decay: decay, 0.1), seeds, full, lambda: None)
    assert winner() == row["weight_decay"]
    return row


def arrives_after(steps):
    return [0.5] * (steps // 10 - 1) + [0.95] * 20


def test_the_winner_needs_the_fewest_steps_and_runs_again_with_new_seeds():
    def scores(rate, decay, seed):
        if seed:
            return [0.5] * 5 if seed == 3 else arrives_after(10 + 10 * seed)
        if decay:
            return arrives_after(20)
        return arrives_after({0.1: 40, 0.316: 30}.get(rate, 50))

    trainer = Recorded(scores)
    row = tuned(trainer)
    # The middle first; nobody is trained for longer than the best so far; the decay is tried at the best rate.
    assert [call[:1] + call[2:] for call in trainer.calls[:6]] == [
        (0.1, 0, 50), (0.0316, 0, 40), (0.316, 0, 40), (0.01, 0, 30), (1.0, 0, 30), (0.316, 0, 30),
    ]  # fmt: skip
    assert [call[1] for call in trainer.calls] == [0.0] * 5 + [0.001] * 4
    assert trainer.calls[6:] == [(0.316, 0.001, seed, 50) for seed in (1, 2, 3)]
    assert (row["learning_rate"], row["weight_decay"], row["rate_at_edge"]) == (0.316, 0.001, False)
    assert (row["steps"], row["median_steps"]) == ([20, 30, None], 30)
    assert _train.with_time(row, {"cpu": 2.0, "wall": 4.0})["seconds"] == 0.12
    assert [trial["steps"] for trial in row["trials"]] == [40, None, 30, None, None, 20]


def test_without_an_arrival_the_best_last_score_wins():
    trainer = Recorded(lambda rate, decay, seed: [0.8, math.nan] if rate == 0.316 else [0.8, rate / 2])
    row = tuned(trainer, seeds=2)
    assert (row["learning_rate"], row["rate_at_edge"]) == (1.0, True)
    assert (row["steps"], row["median_steps"]) == ([None, None], None)
    assert _train.with_time(row, {"wall": 4.0})["seconds"] is None
    assert [t["score"] for t in row["trials"]] == [0.05, 0.0158, None, 0.005, 0.5, 0.5]
    json.dumps(row, allow_nan=False)


def test_the_steps_of_the_winners_take_turns():
    class Steps:
        taken = ""

        def steps(self, make, count):
            def take():
                Steps.taken += make() * count

            return take

    times = _train.step_times(Steps(), {"a": lambda: "a", "b": lambda: "b"})
    assert set(times) == {"a", "b"}
    assert set(times["a"]) == {"cpu", "wall"}
    assert len(Steps.taken) == 2 * 5 * (7 + 15)
    assert "aaaaabbbbbbbbbbaaaaaaaaaabbbbb" in Steps.taken


def test_the_full_grid_is_finer_and_wider():
    trainer = Recorded(lambda rate, decay, seed: [0.1])
    row = tuned(trainer, seeds=1, full=True)
    rates = sorted({trial["learning_rate"] for trial in row["trials"]})
    assert len(rates) == 11
    assert rates[-1] / rates[0] == pytest.approx(1000, rel=0.02)
    assert len(trainer.calls) == _train.runs_of(full=True, seeds=1) == 15


def test_a_loss_arrives_from_above():
    assert TEXT.metric == "loss"
    assert [TEXT.arrived(x) for x in (2.1, 2.0, 1.0, math.nan)] == [False, True, True, False]
    assert [TASK.arrived(x) for x in (0.89, 0.9, 0.95, math.nan)] == [False, True, True, False]


def test_everyone_takes_part():
    everyone = contestants()
    assert {name.lower() for name in everyone} == {*optimizers.available(), KERAS_ADAMW.lower()}
    for name, contestant in everyone.items():
        optimizer = contestant.make(0.5, 0.25)
        assert type(optimizer).__name__ == name.removeprefix("Keras ")
        assert (float(keras.ops.convert_to_numpy(optimizer.learning_rate)), optimizer.weight_decay) == (0.5, 0.25)
    assert type(everyone[KERAS_ADAMW].make(0.1, 0.0)).__module__.startswith("keras.")


@pytest.mark.backend_free
@pytest.mark.parametrize("name", TASKS)
def test_the_tasks_fit_their_data(name: str, shared_data: Path):
    task = TASKS[name]
    data = task.data(shared_data)
    model = task.model()
    if task.context is None:
        assert data.inputs.shape[1:] == model.input_shape[1:]
        assert set(np.unique(data.labels)) == set(range(10)) == set(np.unique(data.held_out_labels))
        assert 0.5 < np.ptp(data.inputs) < 5
        assert len(data.held_out_inputs) >= min(task.judged_on, 449)
    else:
        assert set(np.unique(data.inputs)) | set(np.unique(data.held_out_inputs)) == set(range(65))
        assert len(data.held_out_inputs) > task.judged_on * task.context
    assert model.output_shape[-1] == (65 if task.context else 10)


def test_data_come_from_a_folder_or_are_missed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("KNO_DATA", raising=False)
    assert _train_data.data_folder(None) is None
    with pytest.raises(FileNotFoundError, match=r"does not exist: .*nowhere"):
        _train_data.data_folder(tmp_path / "nowhere")
    monkeypatch.setenv("KNO_DATA", str(tmp_path))
    assert _train_data.data_folder(None) == tmp_path
    for folder in (None, tmp_path):
        with pytest.raises(FileNotFoundError, match=r"needs a folder with tinyshakespeare\.txt"):
            _train_data.shakespeare(folder)
    images, labels = np.full((5, 28, 28), 255, "uint8"), np.arange(5)
    np.savez(tmp_path / "mnist.npz", x_train=images, y_train=labels, x_test=images[:2], y_test=labels[:2])
    data = _train_data.mnist(tmp_path)
    assert data.source == "mnist.npz"
    assert (data.inputs.shape, data.inputs.max(), data.held_out_labels.tolist()) == ((5, 28, 28, 1), 1.0, [0, 1])


@on_jax
@pytest.mark.slow
def test_a_run_is_an_ordinary_training():
    """The same steps, one call of `train_on_batch` after the other."""
    from keras_neural_opt.benchmarks._train_jax import Trainer, warm_up_and_cosine

    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(40, 6)).astype("float32"), rng.integers(0, 3, 40).astype("int32")
    data = Data(x[:30], y[:30], x[30:], y[30:], "made up")

    def network():
        layers = [keras.Input((6,)), keras.layers.Dense(5), keras.layers.BatchNormalization(), keras.layers.Dense(3)]
        return keras.Sequential(layers)

    task = Task("a test", network, lambda folder: data, batch=8, steps=20, every=5, target=None)
    trainer = Trainer(task, data)

    def make():
        return optimizers.AdamW(1.0, weight_decay=0.1)

    trainer.run(make, 1, 0.3, 20)  # leaves nothing to the next one
    trainer.steps(make, 3)()
    scores = trainer.run(make, 7, 0.05, 20)
    keras.utils.set_random_seed(7)
    model = network()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizers.AdamW(0.05, weight_decay=0.1), loss, metrics=["accuracy"])
    batches, expected = np.random.default_rng(7), []
    for begin in range(0, 20, 5):
        for k, chosen in enumerate(batches.integers(0, 30, (5, 8), "int32")):
            model.optimizer.learning_rate = 0.05 * warm_up_and_cosine(begin + k, 20)
            model.train_on_batch(x[chosen], y[chosen])
        expected.append(model.evaluate(x[30:], y[30:], verbose=0)[1])
    np.testing.assert_allclose(scores, expected, atol=1e-6)
    assert len({round(score, 3) for score in scores}) > 1
    assert len(trainer.run(make, 7, 0.05, 10)) == 2
    assert len(trainer.run(make, 7, math.inf, 20)) == 1


@on_jax
def test_the_rate_rises_then_falls():
    from keras_neural_opt.benchmarks._train_jax import warm_up_and_cosine

    factors = [warm_up_and_cosine(k, 50) for k in range(50)]
    np.testing.assert_allclose(factors[:5], [0.2, 0.4, 0.6, 0.8, 1.0])
    assert factors[5] == 1.0
    assert factors[5:] == sorted(factors[5:], reverse=True)
    assert factors[-1] < 0.01


@on_jax
@pytest.mark.slow
def test_the_command_writes_records_and_pictures(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    pytest.importorskip("sklearn")
    from keras_neural_opt.cli import main

    names = ["--optimizer", "sgd", "--optimizer", "keras adamw"]
    assert main(["bench", "train", "--task", "digits", *names, "--seeds", "1", "--out", str(tmp_path / "a")]) == 0
    record = json.loads((tmp_path / "a" / "train_digits.json").read_text())
    assert record["environment"]["backend"] == "jax"
    assert [row["optimizer"] for row in record["results"]] == ["SGD", KERAS_ADAMW]
    assert all(score > 0.9 for row in record["results"] for score in row["scores"])
    assert (tmp_path / "a" / "train_digits.svg").read_text().startswith("<?xml")
    assert KERAS_ADAMW in capsys.readouterr().out


@on_jax
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--task", "digits", "--task", "mnits"], "bench train.task must be one of"),
        (["--task", "digits", "--task", "shakespeare"], "needs a folder with tinyshakespeare.txt"),
        (["--task", "digits", "--out", __file__], "File exists"),
        (["--task", "digits", "--data", "nowhere"], "does not exist: nowhere"),
    ],
)
def test_the_command_refuses_before_it_trains(
    arguments: list[str], message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    from keras_neural_opt.cli import main

    monkeypatch.delenv("KNO_DATA", raising=False)
    monkeypatch.setattr(benchmarks, "train", lambda *_: pytest.fail("it trains"))
    assert main(["bench", "train", *arguments]) == 1
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"task": "imagenet"}, "train.task must be one of"),
        ({"names": ["SDG"]}, "train.names must be one of"),
        ({"seeds": 0}, "train.seeds must be an integer >= 1"),
        ({"full": 1}, "train.full must be True or False"),
    ],
)
def test_bad_arguments_are_refused(arguments: dict[str, object], message: str):
    with pytest.raises(ValueError, match=message):
        benchmarks.train(**{"task": "digits", **arguments})


@pytest.mark.skipif(BACKEND == "jax", reason="here it runs")
def test_other_backends_are_refused():
    with pytest.raises(RuntimeError, match=f"runs on JAX only; Keras runs on {BACKEND}"):
        benchmarks.train("digits")


def _row(name, steps, scores, largest_is_best=True):
    medians = {"median_steps": _train.middle(steps), "median_score": _train.middle(scores, largest_is_best)}
    return {"optimizer": name, "steps": steps, "scores": scores, **medians}


RECORD = {
    "title": "a test", "metric": "accuracy", "target": 0.9, "batch": 4, "steps": 50, "seeds": 3,
    "results": [
        _row("slow", [40, 50, 40], [0.9, 0.91, 0.92]),
        _row("lost", [None, None, 10], [0.5, None, 0.91]),
        _row(KERAS_ADAMW, [20, None, 30], [0.9, 0.2, 0.9]),
        _row("diverged", [None] * 3, [None] * 3),
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    ("values", "largest_is_best", "expected"),
    [
        ([30, 10, 20], False, 20),
        ([30, None, 20], False, 30),
        ([None, None, 20], False, None),
        ([0.5, None, 0.91], True, 0.5),
        ([0.9, 0.5, 0.91], True, 0.9),
        ([1.0, 2.0], False, 2.0),
        ([1.0, 2.0], True, 1.0),
    ],
)
def test_none_is_worse_than_any(values: list, largest_is_best: bool, expected: float | None):
    assert _train.middle(values, largest_is_best) == expected


def test_the_fastest_comes_first():
    assert [row["optimizer"] for row in benchmarks.ranked(RECORD)] == [KERAS_ADAMW, "slow", "lost", "diverged"]
    losses = {**RECORD, "metric": "loss", "target": None}
    rows = [_row("worse", [None] * 3, [2.0, None, 1.0], False), _row("better", [None] * 3, [1.5] * 3, False)]
    assert [row["optimizer"] for row in benchmarks.ranked({**losses, "results": rows})] == ["better", "worse"]


def test_the_picture_shows_median_and_range():
    (axes,) = benchmarks.train_figure(RECORD).axes
    assert [tick.get_text() for tick in axes.get_yticklabels()] == [KERAS_ADAMW, "slow", "lost", "diverged"]
    ranges, dots = axes.lines[::2], axes.lines[1::2]
    assert [line.get_xdata()[0] for line in dots] == [30, 40, 50, 50]
    assert list(ranges[0].get_xdata()) == [20, 50]
    assert dots[0].get_color() != dots[1].get_color() != dots[2].get_color()
    notes = [text.get_text() for text in axes.texts]
    assert notes == ["not reached: accuracy 0.500", "not reached: diverged"]


def test_the_picture_of_batch_sizes_shows_each_optimizer_at_each_size():
    def record(size, **scores):
        rows = [_row(name, [None] * 3, value) for name, value in scores.items()]
        return {"batch": size, "metric": "accuracy", "target": None, "results": rows}

    records = [record(64, SGD=[0.9, 0.8, 0.7], LAMB=[0.9] * 3), record(4096, SGD=[None] * 3, LAMB=[0.9] * 3)]
    (axes,) = benchmarks.batch_size_figure(records).axes
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["batches of 64", "batches of 4096"]
    sgd, lamb = axes.containers
    assert list(sgd[0].get_ydata()) == [0.8]
    assert len(lamb[0].get_ydata()) == 2


def test_tasks_are_named_as_their_files():
    assert {name: task.target is None for name, task in TASKS.items() if name.startswith("mnist_batch")} == {
        "mnist_batch_64": True,
        "mnist_batch_4096": True,
    }
    assert all(task.steps % task.every == 0 for task in TASKS.values())
    assert _train_tasks.TASKS["mnist_batch_4096"].steps == 42
