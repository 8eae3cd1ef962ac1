"""One backend a process, chosen and set up before Keras is imported; the same seed before every test."""

import atexit
import importlib.metadata
import importlib.util
import os
import platform
import shutil
import tempfile
from pathlib import Path

import pytest

BACKENDS = ("jax", "torch", "tensorflow")


def choose_backend() -> str:
    """Return `KERAS_BACKEND`, or the first installed backend."""
    chosen = os.environ.get("KERAS_BACKEND") or next(filter(importlib.util.find_spec, BACKENDS), "")
    if chosen not in BACKENDS:
        raise pytest.UsageError(f"KERAS_BACKEND must be one of {', '.join(BACKENDS)}, installed; received {chosen!r}")
    return chosen


# Most of a test's time is compilation, of programs that then run for milliseconds: the machine code need not be the
# best. With a level of 0 it would round otherwise: no multiplication and addition are one. The newer way to write fused
# loops takes as long as all the rest of a compilation; the older one gives the same bits.
QUICK_COMPILATION = "--xla_backend_optimization_level=1 --xla_cpu_use_fusion_emitters=false"


def compile_quickly(backend: str) -> None:
    """Let XLA spend little on machine code, and JAX compile what several tests need once."""
    os.environ["XLA_FLAGS"] = f"{QUICK_COMPILATION} {os.environ.get('XLA_FLAGS', '')}".strip()
    if backend == "jax":
        folder = tempfile.mkdtemp(prefix="compiled-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        os.environ["JAX_COMPILATION_CACHE_DIR"] = folder
        os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
        os.environ["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] = "-1"


def prepare_devices(backend: str) -> None:
    """Split the CPU into several devices, which a backend allows only before it computes anything."""
    if backend == "jax":
        os.environ["XLA_FLAGS"] += " --xla_force_host_platform_device_count=4"
    if backend == "tensorflow":
        import tensorflow as tf

        two_cpus = [tf.config.LogicalDeviceConfiguration(), tf.config.LogicalDeviceConfiguration()]
        tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], two_cpus)


# The contracts live outside of test modules; their assertions explain themselves all the same. Here, because test
# modules of other folders use parts of them, and are imported first.
for _file in (Path(__file__).parent / "contracts").glob("[a-z]*.py"):
    pytest.register_assert_rewrite(f"tests.contracts.{_file.stem}")

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("MPLBACKEND", "Agg")
os.environ["KERAS_BACKEND"] = BACKEND = choose_backend()
compile_quickly(BACKEND)
prepare_devices(BACKEND)

import keras  # noqa: E402  the lines above must come first


def pytest_report_header() -> str:
    """Say what the tests run on."""
    package = BACKEND
    if BACKEND == "tensorflow" and not _installed("tensorflow"):
        package = "tensorflow-cpu"
    version = importlib.metadata.version(package)
    return f"backend: {package} {version}, keras {keras.__version__}, python {platform.python_version()}"


def _installed(distribution: str) -> bool:
    try:
        importlib.metadata.distribution(distribution)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


@pytest.fixture(autouse=True)
def once(request: pytest.FixtureRequest) -> None:
    """Run what is the same on every backend on one of them."""
    first = next(filter(importlib.util.find_spec, ("torch", *BACKENDS)))
    if request.node.get_closest_marker("backend_free") and first != BACKEND:
        pytest.skip(f"the same on every backend: it runs on {first}")


@pytest.fixture(autouse=True)
def seeded() -> None:
    """Start every test from the same random state, whatever ran before it."""
    keras.utils.set_random_seed(20190808)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data sets: `KNO_DATA`, or `../shared/data` beside the checkout."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("KNO_DATA", beside))
    if not folder.is_dir():
        pytest.skip(f"no data sets: set KNO_DATA to their folder ({folder} does not exist)")
    return folder


@pytest.fixture(scope="session")
def mirrored():
    """The one MirroredStrategy of this process: collectives of two of them get in each other's way."""
    if BACKEND != "tensorflow":
        pytest.skip("tf.distribute exists on TensorFlow only")
    import tensorflow as tf

    return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
