"""The benchmark of steps: what it measures and records. No test asserts a time."""

import json
from pathlib import Path

import keras
import numpy as np
import pytest

from keras_neural_opt import benchmarks
from keras_neural_opt.benchmarks._bandwidth import bandwidth
from keras_neural_opt.benchmarks._memory import peak_megabytes
from keras_neural_opt.benchmarks._options import OPTIONS
from keras_neural_opt.benchmarks._shapes import MODELS, parameters
from keras_neural_opt.benchmarks._timing import interleaved, ratios, summary

BACKEND = keras.backend.backend()
PEERS = {"torch": {"torch foreach", "torch fused"}, "jax": {"optax"}, "tensorflow": set()}[BACKEND]


pytestmark = [
    # torch's own, while it compiles and because the benchmark leaves out its caches.
    pytest.mark.filterwarnings("ignore:`torch.jit.script_method` is deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:dynamo_pgo force disabled:UserWarning"),
]


@pytest.fixture(autouse=True)
def small_model(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(MODELS, "mlp", lambda: [(4, 3), (3,)])


@pytest.mark.slow
@pytest.mark.parametrize("option", OPTIONS)
def test_every_option_is_measured_against_the_peers(option: str):
    record = benchmarks.step(["adam"], model="mlp", option=option, rounds=2)
    (row,) = record["results"]
    peers = {peer for peer in PEERS if not (peer == "optax" and option in ("mixed precision", "compile"))}
    assert set(row["first_step_ms"]) == set(row["first_use_ms"]) == {"ours", "keras", *peers}
    limit = {"bandwidth limit"} if option == "plain" else set()
    assert set(row["times"]) == {"ours", "keras", *peers, *limit}
    assert set(row["ours_over"]) == set(row["times"]) - {"ours"}
    assert (row["model"], row["option"], row["parameters"]) == ("mlp", option, 15)
    # Two slots of 4 bytes for each of 15 parameters, and some counters.
    average = 4 if option in ("ema", "accumulation") else 0
    assert 8 + average <= row["state_bytes_per_parameter"]["ours"] < 8 + average + 4


@pytest.mark.slow
@pytest.mark.backend_free
def test_all_optimizers_and_a_users_own_rules_are_measured():
    names = {row["optimizer"] for row in benchmarks.step(model="mlp", rounds=1)["results"]}
    assert {"SGD", "Adam", "RAdam", "AdamByPrimitives", "AdamByOperators"} <= names


def test_each_optimizer_is_in_one_suite(monkeypatch: pytest.MonkeyPatch):
    from keras_neural_opt import optimizers
    from keras_neural_opt.benchmarks import _step_suite

    calls: list[list[str]] = []

    def noted(names: list[str], model: str, option: str, *_: object) -> dict[str, object]:
        calls.append(names)
        return {"results": [(model, option)]}

    monkeypatch.setattr(_step_suite, "step", noted)
    assert ("resnet50", "clip") in benchmarks.step_suite()["results"]
    base = set(max(calls, key=len)) - {"AdamByPrimitives", "AdamByOperators"}
    calls.clear()
    assert benchmarks.step_suite("family")["results"][0] == ("resnet50", "plain")
    assert sorted({*base, *calls[0]}) == optimizers.available()
    assert base & set(calls[0]) == {"adam"}
    with pytest.raises(ValueError, match=r"step_suite\.suite must be one of 'base', 'family'"):
        benchmarks.step_suite("all")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["AdamByPrimitives", "AdamByOperators"])
def test_a_users_own_adam_is_adam(name: str):
    from keras_neural_opt.benchmarks._own_rules import OWN_RULES
    from keras_neural_opt.optimizers import Adam

    found = []
    for optimizer in (OWN_RULES[name](0.1), Adam(0.1)):
        variable = keras.Variable(np.linspace(-1, 1, 7, dtype="float32"))
        for k in range(3):
            gradient = keras.ops.convert_to_tensor(np.cos(np.arange(7) + k).astype("float32"))
            optimizer.apply([gradient], [variable])
        found.append(variable.numpy())
    np.testing.assert_allclose(*found, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"model": "vgg"}, "step.model must be one of"),
        ({"option": "fast"}, "step.option must be one of"),
        ({"rounds": 0}, "step.rounds must be an integer >= 1"),
        ({"device": "tpu"}, "step.device must be one of"),
    ],
)
def test_bad_arguments_are_refused(arguments: dict[str, object], message: str):
    with pytest.raises(ValueError, match=message):
        benchmarks.step(["sgd"], **{"model": "mlp", **arguments})


def test_a_missing_gpu_is_named():
    from importlib import import_module

    engine = import_module(f"keras_neural_opt.benchmarks._step_{BACKEND}")
    if engine.has_gpu():
        pytest.skip("there is a GPU here")
    with pytest.raises(RuntimeError, match=f"the backend {BACKEND} finds no GPU"):
        benchmarks.step(["sgd"], model="mlp", device="gpu")


def test_candidates_take_turns_and_warm_up():
    calls: list[str] = []
    samples = interleaved({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, rounds=3, warmup=2)
    assert "".join(calls) == "baabbaabba"
    assert [len(samples[name][clock]) for name in "ab" for clock in ("cpu", "wall")] == [3] * 4


SAMPLES = {
    "ours": {"cpu": [2.0, 4.0, 30.0], "wall": [1.0, 1.0, 1.0]},
    "peer": {"cpu": [1.0, 4.0, 10.0], "wall": [2.0, 2.0, 4.0]},
}


def test_a_ratio_is_taken_within_each_round():
    # 2/1, 4/4, 30/10: the median is 2, where the medians' own ratio is 1.
    assert ratios(SAMPLES, "ours") == {"peer": {"cpu": 2.0, "wall": 0.5}}


def test_a_summary_has_minimum_and_median():
    figures = {"cpu_ms_min": 1.0, "cpu_ms_median": 4.0, "wall_ms_min": 2.0, "wall_ms_median": 2.0}
    assert summary(SAMPLES)["peer"] == figures


def _row(optimizer: str, **ratio: float) -> dict[str, object]:
    over = {peer.replace("_", " "): {"wall": value, "cpu": value} for peer, value in ratio.items()}
    return {"optimizer": optimizer, "model": "mlp", "option": "plain", "ours_over": over}


def test_losses_name_the_fastest_peer():
    rows = [_row("A", keras=0.5, torch_fused=1.3), _row("B", keras=1.015), _row("C", bandwidth_limit=9.0)]
    rows += [_row("D", keras=2.0, optax=1.1)]
    found = benchmarks.losses({"results": rows})
    assert found == [("D, mlp", "keras", 2.0), ("A, mlp", "torch fused", 1.3)]


def test_the_picture_shows_every_row_and_peer():
    rows = [_row("A", keras=0.5, torch_fused=1.3), _row("B", optax=0.25)]
    (axes,) = benchmarks.step_figure({"results": rows, "threads": 1}).axes
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["A, mlp", "B, mlp"]
    points = {c.get_label(): c.get_offsets().tolist() for c in axes.collections}
    assert points["keras"] == [[2.0, 0.0]]
    assert points["optax"] == [[4.0, 1.0]]


def test_the_bandwidth_limit_moves_the_bytes_of_a_step(monkeypatch: pytest.MonkeyPatch):
    moved: list[int] = []
    monkeypatch.setattr("numpy.negative", lambda x, out: moved.append(x.nbytes + out.nbytes))
    bandwidth(parameters=1000, slots=2, threads=2).step()
    # Adam's 28 bytes a parameter: 4 arrays read, 3 written.
    assert sum(moved) == 28_000
    assert len(moved) == 2


def test_the_rise_of_memory_is_seen():
    def allocate() -> float:
        return float(np.ones(25_000_000, "float64").sum())

    megabytes = peak_megabytes(allocate)
    if megabytes is None:
        pytest.skip("this system does not tell the resident memory of a process")
    assert 150 < megabytes < 300
    assert peak_megabytes(lambda: None) < 50


def test_shapes_are_those_of_the_models():
    assert (len(MODELS["resnet50"]()), parameters(MODELS["resnet50"]())) == (161, 25_557_032)
    assert parameters(MODELS["many"]()) == 160 * 64 * 64


@pytest.mark.slow
def test_fit_trains_both_alike(monkeypatch: pytest.MonkeyPatch):
    pytest.importorskip("sklearn")
    record = benchmarks.fit(rounds=1)
    (row,) = record["results"]
    assert set(row["times"]) == {"ours", "keras"}
    # The same optimizer from the same weights: in the first epoch, before training amplifies the rounding.
    assert row["first_loss"]["ours"] == pytest.approx(row["first_loss"]["keras"], rel=0.001)
    # Far below 2.3, the loss of guessing: both learn.
    assert max(row["last_loss"].values()) < 0.15


@pytest.mark.slow
def test_the_command_writes_figures_and_picture(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    from keras_neural_opt.cli import main

    files = ["--out", str(tmp_path / "a" / "step.json"), "--picture", str(tmp_path / "b" / "step.svg")]
    assert main(["bench", "step", "--model", "mlp", "--optimizer", "sgd", "--rounds", "1", *files]) == 0
    record = json.loads((tmp_path / "a" / "step.json").read_text())
    assert record["environment"]["backend"] == BACKEND
    assert record["results"][0]["optimizer"] == "SGD"
    assert (tmp_path / "b" / "step.svg").read_text().startswith("<?xml")
    assert "SGD" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["step", "--rounds", "0"], "--rounds must be an integer >= 1"),
        (["step", "--threads", "0"], "--threads must be an integer >= 1"),
        (["step", "--threads", "1"], "Keras has started its backend already"),
        (["fit", "--picture", "x.svg"], "--picture goes with step"),
    ],
)
def test_the_command_refuses(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]):
    from keras_neural_opt.cli import main

    assert main(["bench", *arguments]) == 1
    assert message in capsys.readouterr().err
