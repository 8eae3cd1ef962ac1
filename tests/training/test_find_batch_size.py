"""The largest batch that fits is found, where the memory really runs out, and nothing is left behind."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import keras_neural_opt as kno
from keras_neural_opt import optimizers
from keras_neural_opt._core import memory
from keras_neural_opt._core.backend import native

X = np.random.default_rng(0).normal(size=(70, 3)).astype("float32")
Y = X.sum(1, keepdims=True)

# In a process of its own, whose address space is bounded: a quarter of a MiB a sample and layer.
OUT_OF_MEMORY = """
import resource, numpy as np, keras, keras_neural_opt as kno
model = keras.Sequential([keras.Input((16,)), keras.layers.Dense(2**16, activation="relu"), keras.layers.Dense(1)])
model.compile(kno.optimizers.SGD(0.01, momentum=0.9), "mse")
data = np.ones((2**20, 16), "float32"), np.ones((2**20, 1), "float32")
model.train_on_batch(data[0][:8], data[1][:8])
before = [v.numpy() for v in [*model.variables, *model.optimizer.variables]]
now = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmSize")) << 10
resource.setrlimit(resource.RLIMIT_AS, (now + (2000 << 20),) * 2)
print("largest", kno.find_batch_size(model, data, minimum=64))
for x, v in zip(before, [*model.variables, *model.optimizer.variables], strict=True):
    np.testing.assert_array_equal(x, v.numpy())
model.train_on_batch(data[0][:64], data[1][:64])
print("trains", int(model.optimizer.iterations))
"""


def dropout_model(**options: Any) -> Any:
    keras.utils.set_random_seed(2)
    model = keras.Sequential(
        [keras.Input((3,)), keras.layers.Dense(8), keras.layers.Dropout(0.5), keras.layers.Dense(1)]
    )
    model.compile(optimizers.Adam(0.01), "mse", **options)
    return model


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="address spaces are bounded on Linux")
def test_it_stops_where_the_memory_is_out():
    done = subprocess.run(
        [sys.executable, "-c", OUT_OF_MEMORY], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    largest, trained = (int(number) for number in re.findall(r"largest (\d+)\ntrains (\d+)", done.stdout)[0])
    # A tensor of 8192 rows would take all of it.
    assert largest in (512, 1024, 2048, 4096)
    assert trained == 2


def test_the_error_of_the_backend_is_known():
    with pytest.raises(Exception) as caught:  # noqa: PT011 - which one it is differs
        keras.ops.convert_to_numpy(keras.ops.zeros((1 << 22, 1 << 24)))
    assert native.is_out_of_memory(caught.value)
    assert not native.is_out_of_memory(RuntimeError("something else"))
    assert not native.is_out_of_memory(ValueError("RESOURCE_EXHAUSTED"))


def test_the_error_is_known_inside_a_layer():
    class Greedy(keras.layers.Layer):
        def call(self, x: Any) -> Any:
            size = (1 << 22, 1 << 24) if len(sizes) > 2 else (1,)
            sizes.append(size)
            return x + keras.ops.sum(keras.ops.zeros(size))

    sizes: list[Any] = []
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1), Greedy()])
    model.compile("sgd", "mse", run_eagerly=True)
    sizes.clear()
    assert kno.find_batch_size(model, (X, Y)) in (1, 2)


@pytest.mark.parametrize(
    ("resident", "peak", "free", "largest"),
    [
        ((100, 100, 100, 100), (110, 120, 140), 1000, 4),
        ((100, 100, 100, 100), (110, 150, 190), 99, 2),  # the next would take 100
        ((100, 100, 140, 180), (110, 150, 190), 99, 4),  # of which 40 are there already
        ((100, 100, 100, 100), (110, 400, 900), None, 4),
    ],
)
def test_it_stops_before_the_memory_is_out(
    resident: Any, peak: Any, free: int | None, largest: int, monkeypatch: pytest.MonkeyPatch
):
    now, most = iter(resident), iter(peak)
    monkeypatch.setattr(memory, "resident", lambda: next(now))
    monkeypatch.setattr(memory, "peak", lambda: next(most))
    monkeypatch.setattr(memory, "reset_peak", lambda: True)
    monkeypatch.setattr(memory, "available", lambda: free)
    assert kno.find_batch_size(dropout_model(), (X, Y), maximum=4) == largest


@pytest.mark.parametrize("version", [1, 2])
def test_control_groups_bound_the_memory(version: int, tmp_path: Path):
    base = tmp_path / "memory" if version == 1 else tmp_path
    limit, used, files = (
        ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
        if version == 1
        else ("memory.max", "memory.current", "inactive_file")
    )
    inner = base / "batch" / "job"
    inner.mkdir(parents=True)
    for folder, most in ((base / "batch", "1000"), (inner, "5000"), (base, "9000" if version == 1 else "max")):
        (folder / limit).write_text(most + "\n")
        (folder / used).write_text("400\n")
        (folder / "memory.stat").write_text(f"cache 7\n{files} 30\n")
    lines = {1: "9:name=systemd:/\n7:cpu:/x\n3:memory:/batch/job\n", 2: "0::/batch/job\n"}
    (tmp_path / "membership").write_text(lines[version])
    left = list(memory._left_in_groups(tmp_path / "membership", tmp_path))
    assert left == [4630, 630, 8630][: 4 - version]
    assert list(memory._left_in_groups(tmp_path / "missing", tmp_path)) == []


@pytest.mark.parametrize(
    "optimizer",
    [
        lambda: optimizers.SGD(kno.schedules.Warmup(kno.schedules.CosineAnnealing(0.1, 2, unit="epoch"), 5)),
        lambda: optimizers.SGD(0.1, kno.schedules.OneCycleMomentum(3, unit="epoch")),
    ],
    ids=["rate", "momentum"],
)
def test_schedules_in_epochs_are_no_trouble(optimizer: Any):
    model = dropout_model()
    model.compile(optimizer(), "mse")
    mine = model.optimizer
    assert kno.find_batch_size(model, (X, Y), maximum=4) == 4
    assert model.optimizer is mine


def test_arrays_of_every_library_will_do():
    given = [keras.ops.convert_to_tensor(X), keras.ops.convert_to_tensor(Y)]
    assert kno.find_batch_size(dropout_model(), tuple(given), maximum=4) == 4
    torch = pytest.importorskip("torch", reason="torch is not installed")
    assert kno.find_batch_size(dropout_model(), (torch.tensor(X, requires_grad=True), torch.tensor(Y)), maximum=4) == 4


class Batches(keras.utils.PyDataset):
    def __len__(self) -> int:
        return 7

    def __getitem__(self, i: int) -> Any:
        return X[10 * i : 10 * i + 10], Y[10 * i : 10 * i + 10]


def test_sizes_are_doubled_up_to_the_samples_or_the_maximum():
    model = dropout_model()
    assert kno.find_batch_size(model, (X, Y), minimum=16) == 64
    assert kno.find_batch_size(model, (X, Y, np.ones(70)), minimum=12) == 48
    assert kno.find_batch_size(model, (X, Y), minimum=70) == 70
    assert kno.find_batch_size(model, (X, Y), maximum=4) == 4
    # A batch of a dataset, over and over.
    assert kno.find_batch_size(model, Batches(), minimum=32, maximum=200) == 128


def test_the_batch_has_that_many_samples():
    class Sizes(keras.layers.Layer):
        def call(self, x: Any) -> Any:
            seen.append(x.shape[0])
            return x

    seen: list[Any] = []
    model = keras.Sequential([keras.Input((3,)), Sizes(), keras.layers.Dense(1)])
    model.compile("sgd", "mse", run_eagerly=True)
    seen.clear()
    kno.find_batch_size(model, (X, Y), minimum=8, maximum=32)
    assert list(dict.fromkeys(seen)) == [8, 16, 32]


class Draws(Batches):
    """Its batches take random numbers."""

    def __getitem__(self, i: int) -> Any:
        return np.random.normal(size=(10, 3)).astype("float32"), np.zeros((10, 1), "float32")


def loader() -> Any:
    torch = pytest.importorskip("torch", reason="torch is not installed")
    return torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.tensor(X), torch.tensor(Y)), 10, True)


@pytest.mark.parametrize("data", [lambda: (X, Y), Draws, loader], ids=["arrays", "PyDataset", "DataLoader"])
@pytest.mark.parametrize("trained_before", [False, True])
def test_nothing_is_left_behind(data: Any, trained_before: bool):
    def run(searches: bool) -> list[float]:
        model, searched = dropout_model(), data()
        losses = model.fit(X, Y, batch_size=8, verbose=0).history["loss"] if trained_before else []
        if searches:
            kno.find_batch_size(model, searched, maximum=16)
        losses.append(np.random.normal())
        losses += model.fit(X, Y, batch_size=8, epochs=2, verbose=0).history["loss"]
        return [*losses, int(model.optimizer.iterations), *np.concatenate([w.ravel() for w in model.get_weights()])]

    assert run(True) == run(False)


def test_another_error_passes():
    model = dropout_model()
    before = model.get_weights()
    with pytest.raises(Exception, match=r".") as caught:
        kno.find_batch_size(model, (X[:, :2], Y))
    assert not native.is_out_of_memory(caught.value)
    for x, y in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(x, y)


@pytest.mark.skipif(sys.platform != "linux", reason="the memory of a process is told by Linux")
def test_the_memory_of_the_process_is_measured():
    if not memory.reset_peak():
        pytest.skip("this system does not let the peak begin anew")
    before = memory.resident()
    taken = np.ones(1 << 26, "uint8")
    del taken
    assert (1 << 25) < memory.peak() - before < (1 << 28)
    assert memory.reset_peak()
    assert memory.peak() - before < (1 << 25)
    free = memory.available()
    assert free is not None
    assert free > 1 << 20


class Nothing:
    """A dataset without a batch."""

    element_spec = ()

    def __iter__(self) -> Any:
        return iter(())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"minimum": 0}, "find_batch_size.minimum must be an integer >= 1; received 0"),
        ({"minimum": 8, "maximum": 7}, "find_batch_size.maximum must be None or an integer >= 8; received 7"),
        ({"data": [1, 2]}, "find_batch_size.data must be a dataset, an array, or tuples"),
        ({"data": Nothing()}, "find_batch_size.data must have a batch; received"),
        ({"data": (x for x in [(X, Y)])}, "find_batch_size.data must not be used up by looking at it"),
        (
            {"model": keras.Sequential([keras.layers.Dense(1)])},
            "find_batch_size.model must be a compiled Keras model",
        ),
    ],
)
def test_bad_arguments_are_refused(options: dict[str, Any], message: str):
    arguments = {"model": dropout_model(), "data": (X, Y), **options}
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        kno.find_batch_size(**arguments)
