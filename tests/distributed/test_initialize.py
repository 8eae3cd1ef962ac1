"""What `initialize` reads and refuses; nothing is started here. Real engines: test_engines.py."""

import importlib
import json
from types import SimpleNamespace
from typing import Any

import keras
import pytest

from keras_neural_opt import distributed
from keras_neural_opt.distributed import Cluster, _cluster, _initialize, initialize
from keras_neural_opt.distributed._settings import Settings

BACKEND = keras.backend.backend()
TORCHRUN = {"RANK": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "10.0.0.1", "MASTER_PORT": "1234"}
JAX = {"JAX_COORDINATOR_ADDRESS": "10.0.0.1:1234", "JAX_NUM_PROCESSES": "2", "JAX_PROCESS_ID": "1"}
WORKERS = ["10.0.0.1:1234", "10.0.0.2:1234"]
TASK = {"type": "worker", "index": 1}


def tf_config(cluster: Any = None, task: Any = TASK) -> dict[str, str]:
    return {"TF_CONFIG": json.dumps({"cluster": cluster or {"worker": WORKERS}, "task": task})}


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """No settings, and no cluster that another test has made."""
    for name in (*TORCHRUN, *JAX, "TF_CONFIG", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    joined = _cluster._Joined()
    monkeypatch.setattr(_cluster, "joined", joined)
    monkeypatch.setattr(_initialize, "joined", joined)


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Settings, float]]:
    """What an engine that only writes down is asked to start."""
    calls: list[tuple[Settings, float]] = []
    engine = SimpleNamespace(start=lambda *given: calls.append(given), barrier=lambda: None)
    monkeypatch.setattr(_initialize, "importlib", SimpleNamespace(import_module=lambda name: engine))
    return calls


def set_all(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


FIRST = ("10.0.0.1:1234",)
KINDS = {
    "torchrun": (TORCHRUN, Settings(1, 2, FIRST)),
    "torchrun with a local rank": ({**TORCHRUN, "LOCAL_RANK": "0"}, Settings(1, 2, FIRST, 0)),
    "JAX": (JAX, Settings(1, 2, FIRST)),
    "TF_CONFIG": (tf_config(), Settings(1, 2, tuple(WORKERS))),
    "TF_CONFIG with a chief": (
        tf_config({"chief": WORKERS[:1], "worker": WORKERS[1:]}, {"type": "worker", "index": 0}),
        Settings(1, 2, tuple(WORKERS)),
    ),
    "half of JAX's, and all of torchrun's": ({**TORCHRUN, "JAX_NUM_PROCESSES": "7"}, Settings(1, 2, FIRST)),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_settings_does(kind: str, started: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    variables, settings = KINDS[kind]
    set_all(monkeypatch, variables)
    assert initialize(timeout=5) == Cluster(1, 2) == distributed.cluster()
    assert started == [(settings, 5.0)]


def test_the_settings_of_the_backends_own_engine_go_first(started: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    set_all(monkeypatch, {**TORCHRUN, "WORLD_SIZE": "3", **JAX, "JAX_NUM_PROCESSES": "4"})
    set_all(monkeypatch, tf_config({"worker": [*WORKERS, "c:3", "d:4", "e:5"]}))
    assert initialize().size == {"torch": 3, "jax": 4, "tensorflow": 5}[BACKEND]


def test_arguments_go_before_the_environment(started: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    set_all(monkeypatch, TORCHRUN)
    assert initialize("a:1, b:2, c:3", 3, 0) == Cluster(0, 3)
    assert started == [(Settings(0, 3, ("a:1", "b:2", "c:3")), 60.0)]


@pytest.mark.parametrize("variables", [{}, {"TF_CONFIG": "{}"}, {"TF_CONFIG": '{"cluster": {}}'}])
def test_without_settings_nothing_is_started(
    variables: dict[str, str], started: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    set_all(monkeypatch, variables)
    assert initialize() == Cluster(0, 1) == distributed.cluster()
    distributed.barrier()
    assert started == []


def test_one_process_needs_no_address(started: list[Any]) -> None:
    assert initialize(processes=1) == Cluster(0, 1)
    assert started == [(Settings(0, 1), 60.0)]


def test_a_second_call_starts_nothing(started: list[Any]) -> None:
    first = initialize("a:1", 2, 1)
    assert initialize("a:1", 2, 1) is first
    assert initialize() is first
    with pytest.raises(RuntimeError, match="already rank 1 of 2 at a:1 and cannot become rank 1 of 3 at a:1"):
        initialize("a:1", 3, 1)
    assert distributed.cluster() is first
    assert len(started) == 1


ADDRESS = "initialize.address must be HOST:PORT of rank 0, or 2 of them separated by commas; received "
BAD_ARGUMENTS = [
    (("a:1", 0, 0), "initialize.processes must be an integer >= 1; received 0"),
    (("a:1", None, 0), "initialize.processes must be an integer >= 1; received None"),
    (("a:1", 2, 2), "initialize.rank must be an integer from 0 to 1; received 2"),
    (("a:1", 2, None), "initialize.rank must be an integer from 0 to 1; received None"),
    ((None, 1, 1), "initialize.rank must be None or an integer from 0 to 0; received 1"),
    ((None, 2, 0), ADDRESS + "None"),
    (("a", 2, 0), ADDRESS + "'a'"),
    (("a:x", 2, 0), ADDRESS + "'a:x'"),
    ((":1", 2, 0), ADDRESS + "':1'"),
    (("a:70000", 2, 0), ADDRESS + "'a:70000'"),
    (("a:1,b:2,c:3", 2, 0), ADDRESS + "'a:1,b:2,c:3'"),
    ((None, None, None, 0), "initialize.timeout must be a number > 0; received 0"),
]
CONFIG = "environment.TF_CONFIG must be JSON of workers and one chief at most"
BAD_VARIABLES = [
    ({**TORCHRUN, "RANK": "2"}, "environment.RANK must be an integer from 0 to 1; received '2'"),
    ({**TORCHRUN, "RANK": "one"}, "environment.RANK must be an integer from 0 to 1; received 'one'"),
    ({**TORCHRUN, "LOCAL_RANK": "-1"}, "environment.LOCAL_RANK must be an integer >= 0; received '-1'"),
    ({**TORCHRUN, "MASTER_PORT": "0"}, "environment.MASTER_PORT must be an integer from 1 to 65535; received '0'"),
    ({"RANK": "0", "WORLD_SIZE": "2"}, "environment.MASTER_ADDR must be a host; received None"),
    ({"RANK": "0"}, "environment.WORLD_SIZE must be an integer >= 1; received None"),
    ({"JAX_PROCESS_ID": "0"}, "environment.JAX_NUM_PROCESSES must be an integer >= 1; received None"),
    (
        {"JAX_PROCESS_ID": "0", "JAX_NUM_PROCESSES": "2"},
        "environment.JAX_COORDINATOR_ADDRESS must be HOST:PORT of rank 0; received None",
    ),
    ({"TF_CONFIG": "{cluster"}, CONFIG),
    ({"TF_CONFIG": "[]"}, CONFIG),
    ({"TF_CONFIG": '{"cluster": ["a:1"]}'}, CONFIG),
    ({"TF_CONFIG": json.dumps({"cluster": {"worker": WORKERS}})}, CONFIG),
    (tf_config(task={"type": "worker", "index": 2}), CONFIG),
    (tf_config({"worker": WORKERS, "ps": ["c:3"]}), CONFIG),
    (tf_config({"chief": WORKERS, "worker": WORKERS}), CONFIG),
    (tf_config({"worker": ["10.0.0.1", "10.0.0.2"]}), CONFIG),
]


@pytest.mark.parametrize(("arguments", "message"), BAD_ARGUMENTS)
def test_arguments_are_checked(arguments: tuple[Any, ...], message: str, started: list[Any]) -> None:
    with pytest.raises(ValueError, match="initialize") as refusal:
        initialize(*arguments)
    assert str(refusal.value) == message
    assert started == []


@pytest.mark.parametrize(("variables", "message"), BAD_VARIABLES)
def test_variables_are_checked(
    variables: dict[str, str], message: str, started: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    set_all(monkeypatch, variables)
    with pytest.raises(ValueError, match="environment") as refusal:
        initialize()
    assert str(refusal.value).startswith(message)
    assert started == []


def test_a_process_that_has_computed_something_is_too_late(monkeypatch: pytest.MonkeyPatch) -> None:
    if BACKEND == "torch":
        pytest.skip("torch connects at any time")
    keras.ops.add(1.0, 1.0)
    monkeypatch.setenv("TF_CONFIG", "")  # what is set there is taken back
    with pytest.raises(RuntimeError, match=r"could not become rank 1 of 2 at 127.0.0.1:9: .* before the backend"):
        initialize("127.0.0.1:9", 2, 1)
    assert distributed.cluster() == Cluster(0, 1)


def test_what_the_program_has_connected_itself_stays() -> None:
    if BACKEND != "torch":
        pytest.skip("only torch tells without computing")
    dist = importlib.import_module("torch.distributed")
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    try:
        with pytest.raises(RuntimeError, match=r"could not become rank 1 of 2 at a:1: .* rank 0 of 1\."):
            initialize("a:1", 2, 1)
        assert initialize(processes=1) == Cluster(0, 1)
    finally:
        dist.destroy_process_group()


def test_tensorflow_needs_an_address_for_each_process(monkeypatch: pytest.MonkeyPatch) -> None:
    if BACKEND != "tensorflow":
        pytest.skip("the other engines find each other through one")
    engine = importlib.import_module("keras_neural_opt.distributed._cluster_tf")
    with pytest.raises(ValueError, match=r"initialize.address must be 2 times HOST:PORT on TensorFlow"):
        engine.start(Settings(0, 2, FIRST), 5.0)
    config = json.loads(engine._tf_config(Settings(1, 2, ("127.0.0.1:10",))))
    assert config["cluster"]["worker"] == ["127.0.0.1:11", "127.0.0.1:12"]
    assert config["task"] == {"type": "worker", "index": 1}
