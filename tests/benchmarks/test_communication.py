"""The benchmark of communication: real links, whose bytes are counted, and nothing that is left of them."""

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from rich.console import Console

from keras_neural_opt.benchmarks import _communication, _network, communication_figure
from keras_neural_opt.benchmarks._communication_workers import Workers
from keras_neural_opt.cli import _bench_communication, main

pytestmark = pytest.mark.backend_free
ROOT = Path(__file__).parents[2]
_MARK = "TEST_OF_COMMUNICATION"
COMMAND = [sys.executable, "-c", "import sys; from keras_neural_opt.cli import main; sys.exit(main(sys.argv[1:]))"]
BENCH = [*COMMAND, "bench", "communication", "--backend", "torch", "--processes", "2"]


@pytest.fixture
def root() -> None:
    """Skip where no network namespace can be made."""
    try:
        _network.check_can_make_networks("the test")
    except RuntimeError as error:
        pytest.skip(str(error))
    if subprocess.run(["unshare", "--net", "true"], check=False).returncode:
        pytest.skip("this machine allows root no network namespaces")


@pytest.fixture(autouse=True)
def marked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let workers be known as this process', and find this library."""
    monkeypatch.setenv(_MARK, str(os.getpid()))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


def namespaces(pid: int) -> list[str]:
    return [path.name for path in Path("/run/netns").glob(f"kno-{pid}-*")]


def running_workers() -> list[int]:
    """Return the workers of this process' tests, which have its number among their variables."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            command, variables = (path / "cmdline").read_bytes(), (path / "environ").read_bytes()
        except OSError:
            continue
        if b"_communication_worker" in command and f"{_MARK}={os.getpid()}\0".encode() in variables:
            found.append(int(path.name))
    return found


def until(true, seconds: float = 240.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)


RECEIVE = """if True:
    import socket
    connection = socket.create_server(("", 4000)).accept()[0]
    while connection.recv(1 << 20): pass
    connection.sendall(b"!")
"""
SEND = """if True:
    import socket, sys, time
    for _ in range(100):
        try:
            connection = socket.create_connection((sys.argv[1], 4000))
            break
        except OSError:
            time.sleep(0.1)
    began = time.perf_counter()
    connection.sendall(bytes(600_000))
    connection.shutdown(1)
    connection.recv(1)
    print(time.perf_counter() - began)
"""


@pytest.mark.parametrize("size", [2, 3])
def test_a_link_has_its_rate_and_its_bytes_are_counted(size: int, root) -> None:
    with _network.Network(size) as network:
        network.set_rate(20)
        before = network.sent()
        receiver = subprocess.Popen([*network.command(0), sys.executable, "-c", RECEIVE])
        try:
            sender = [*network.command(size - 1), sys.executable, "-c", SEND, network.address(0)]
            seconds = float(subprocess.run(sender, capture_output=True, text=True, check=True).stdout)
            receiver.wait(60)
        finally:
            receiver.kill()
            receiver.wait()
        sent = [after - old for old, after in zip(before, network.sent(), strict=True)]
        name = [*network.command(1), "hostname"]
        assert subprocess.run(name, capture_output=True, text=True, check=True).stdout.strip() == network.address(1)
    assert 0.22 < seconds < 6  # 0.24 at 20 Mbit/s; a busy machine needs longer
    assert 600_000 < sent[-1] < 1.03 * 600_000
    assert sum(sent[:-1]) < 0.03 * 600_000
    assert namespaces(os.getpid()) == []


def test_what_a_killed_process_left_goes_at_the_next_start(root) -> None:
    # The file alone: without Keras it starts at once.
    program = (
        f"import os, runpy; Network = runpy.run_path({_network.__file__!r})['Network'];"
        " Network(3).__enter__(); print(os.getpid(), flush=True); os.kill(os.getpid(), 9)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    pid = int(done.stdout)
    assert len(namespaces(pid)) == 4
    with _network.Network(2):
        assert namespaces(pid) == []
        _network.remove_stale()
        assert len(namespaces(os.getpid())) == 2  # these are in use


@pytest.mark.slow
def test_bytes_are_those_of_the_formula_and_a_liar_is_found_out(root, tmp_path: Path, capsys) -> None:
    before = running_workers()
    record = _communication.communication(
        [2],
        [200, None],
        ["native float32", "Int8", "TopK 1 %"],
        rounds=1,
        model={"inputs": 8, "units": 256, "layers": 2},
    )
    rows = {(row["link_mbit"], row["contestant"]): row for row in record["results"]}
    assert {name for _, name in rows} == {"native float32", "Int8", "TopK 1 %", "liar"}
    parameters = 9 * 256 + 257 * 256 + 257 * 10
    for link in (200, None):
        assert rows[link, "native float32"]["bytes_counted"] == 4 * parameters
        # A byte an element and a scale each 256, padded to whole blocks for each worker; 4 of ours tell what is finite,
        # and 24 which variables have gradients.
        assert rows[link, "Int8"]["bytes_counted"] == pytest.approx(parameters * (1 + 4 / 256), rel=0.02)
        for name in ("native float32", "Int8"):
            assert rows[link, name]["within_bound"]
            assert abs(rows[link, name]["excess"]) < 0.12
        assert rows[link, "liar"]["excess"] == pytest.approx(3.0, abs=0.2)
        assert not rows[link, "liar"]["within_bound"]
        assert rows[link, "Int8"]["fewer_bytes"] > 3.5
    # At least what the link takes for it.
    assert rows[200, "native float32"]["wall_ms_median"] > 1e3 * 8 * 4 * parameters / 200e6
    assert namespaces(os.getpid()) == []
    assert running_workers() == before


@pytest.mark.slow
def test_a_worker_that_fails_ends_all_and_is_quoted(root) -> None:
    before = running_workers()
    said = r"(?s)worker [01] is gone: status .*KeyError: 'nobody'"
    model = {"inputs": 8, "units": 8, "layers": 1}
    with _network.Network(2) as network, Workers(network, "torch", model) as workers:
        assert len(running_workers()) == len(before) + 2
        with pytest.raises(RuntimeError, match=said):
            workers.ask("nobody", 1)
    assert namespaces(os.getpid()) == []
    assert running_workers() == before


def test_a_control_that_is_not_found_out_is_an_error() -> None:
    row = {"contestant": "liar", "within_bound": True, "bytes_on_link": 40, "bytes_counted": 39}
    with pytest.raises(RuntimeError, match="the link has carried 40 of 39: what is counted here cannot be trusted"):
        _communication._check_control([row])


@pytest.mark.slow
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_nothing_is_left_of_a_run_that_is_stopped(number: int, status: int, root) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    before = set(running_workers())
    bench = subprocess.Popen([*BENCH, "--link", "1"], env=environment, stdout=subprocess.DEVNULL)
    try:
        until(lambda: len(set(running_workers()) - before) == 2)
        assert len(namespaces(bench.pid)) == 2
        bench.send_signal(number)
        assert bench.wait(60) == status
    finally:
        # Not SIGKILL, which would leave namespaces.
        bench.terminate()
        bench.wait(60)
    assert namespaces(bench.pid) == []
    assert set(running_workers()) == before


@pytest.mark.slow
def test_who_is_not_root_is_told(tmp_path: Path) -> None:
    other = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.geteuid() == 0 else []
    if other and not shutil.which("setpriv"):
        pytest.skip("root cannot become somebody else without setpriv")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "HOME": "/nonexistent", "KERAS_HOME": str(tmp_path)}
    done = subprocess.run([*other, *BENCH], env=environment, capture_output=True, text=True, check=False, cwd="/")
    assert done.returncode == 1
    said = "keras-neural-opt: bench communication needs root, to make network namespaces; not measured"
    assert done.stderr.strip().splitlines()[-1] == said


def test_a_missing_tool_is_named(monkeypatch: pytest.MonkeyPatch, capsys, tmp_path: Path) -> None:
    for tool in ("ip", "unshare"):
        (tmp_path / tool).symlink_to("/bin/true")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["bench", "communication", "--processes", "2"]) == 1
    assert capsys.readouterr().err.startswith("keras-neural-opt: bench communication needs tc, of iproute2")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"processes": [1]}, "communication.processes must be an integer from 2 to 200; received 1"),
        ({"links": [0]}, "communication.links must be"),
        ({"contestants": ["Int7"]}, "communication.contestants must be of native float32,"),
        ({"rounds": 0}, "communication.rounds must be an integer >= 1; received 0"),
    ],
)
def test_arguments_are_checked(arguments: dict, said: str) -> None:
    with pytest.raises(ValueError) as error:  # noqa: PT011 - the text is below
        _communication.communication(**arguments)
    assert str(error.value).startswith(said)


def row(name: str, link: float | None, wall: float, processes: int = 2, is_faithful: bool = True) -> dict:
    return {
        "processes": processes,
        "link_mbit": link,
        "contestant": name,
        "wall_ms_median": wall,
        "wall_ms_of_rounds": [wall - 1, wall, wall + 2],
        "cpu_ms_median": 3.25,
        "bytes_on_link": 1000,
        "bytes_counted": 900,
        "within_bound": is_faithful,
        "speedup": 1.5,
    }


RECORD = {
    "environment": {"backend": "jax"},
    "results": [
        *(row("native float32", link, wall) for link, wall in ((20, 900.0), (None, 12.0))),
        *(row("Int8", link, wall) for link, wall in ((20, 250.0), (None, 30.0))),
        row("liar", 20, 900.0, is_faithful=False),
        row("Int8", 20, 400.0, processes=4),
    ],
}


def test_the_picture_has_a_line_for_each_contestant() -> None:
    figure = communication_figure([RECORD, RECORD])
    assert [axes.get_title() for axes in figure.axes] == ["JAX, 2 workers"] * 2
    for axes in figure.axes:
        lines = [bar.lines[0] for bar in axes.containers]
        assert [line.get_xdata().tolist() for line in lines] == [[20, 200]] * 2
        assert [line.get_ydata().tolist() for line in lines] == [[900.0, 12.0], [250.0, 30.0]]
        assert [label.get_text() for label in axes.get_xticklabels()] == ["20", "no limit"]
        assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["native float32", "Int8"]


def test_the_tables_say_who_does_not_count_what_it_sends() -> None:
    console = Console(file=io.StringIO(), width=120)
    for table in _bench_communication.communication_tables(RECORD):
        console.print(table)
    text = console.file.getvalue()
    for title in ("2 workers, links of 20 Mbit/s", "2 workers, links without a limit", "4 workers"):
        assert title in text
    assert text.count("does not count what it sends") == 1


def test_rows_of_other_settings_are_refused_before_anything_is_measured(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    now = _communication.settings(5)
    path.write_text(json.dumps({**now, "rounds": 4, "results": []}))
    with pytest.raises(ValueError, match=r"--out must be a new file, or of the same rounds; received .*record\.json"):
        _bench_communication._check_file(path, now)
    path.write_text(json.dumps({**now, "results": []}))
    _bench_communication._check_file(path, now)


def test_rows_that_are_measured_again_take_the_place_of_older_ones(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    path.write_text(json.dumps(RECORD))
    newer = {"results": [row("Int8", 20, 111.0, is_faithful=False)]}
    rows = _bench_communication._with_older(newer, path)["results"]
    assert [(r["contestant"], r["wall_ms_median"]) for r in rows if r["link_mbit"] == 20 and r["processes"] == 2] == [
        ("native float32", 900.0), ("Int8", 111.0), ("liar", 900.0),
    ]  # fmt: skip
    assert len(rows) == len(RECORD["results"])
    assert list(_bench_communication._unfaithful({"results": rows})) == ["Int8 with 2 workers on links of 20 Mbit/s"]
