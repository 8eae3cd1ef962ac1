"""Machines that are none: network namespaces of this one, with links of a given rate whose bytes are counted."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

_PREFIX = "kno"
_FOLDER = Path("/run/netns")
_LINK = "eth0"
# Long packets, as data centres have them: headers are less than a hundredth of the bytes.
_PACKET = 9000
_WITH_HEADER = 9100
# Seconds of its link's time that a machine hands to it at once, as drivers of real cards limit it: acknowledgements of
# what comes in do not wait for a second behind what goes out. And the bytes of it at most.
_HANDED_OVER, _MOST_HANDED_OVER = 0.01, 1 << 20
# A link that waits to send has room for all that a step may bring: nothing is dropped, and so nothing is sent twice.
_QUEUE = 16 << 20
# Seconds without a byte after which a link has come to rest, many times what a packet takes at the lowest rate.
_REST, _TRIES = 0.05, 100


def check_can_make_networks(who: str) -> None:
    """Find out whether this process may make networks.

    Raises:
        RuntimeError: It is not root, or a tool is missing.
    """
    missing = [tool for tool in ("ip", "tc", "unshare") if shutil.which(tool) is None]
    if missing:
        raise RuntimeError(f"{who} needs {' and '.join(missing)}, of iproute2 and util-linux, and Linux; not measured")
    if os.geteuid() != 0:
        raise RuntimeError(f"{who} needs root, to make network namespaces; not measured")


class Network:
    """Some machines, each with one link; a context, at whose end nothing is left of it.

    Two are connected directly; more than two by a switch, whose own links to the machines are as slow as theirs to it.

    Args:
        size: How many machines.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._machines = [f"{_PREFIX}-{os.getpid()}-{i}" for i in range(size)]
        self._switch = f"{_PREFIX}-{os.getpid()}-switch" if size > 2 else None

    def __enter__(self) -> Self:
        remove_stale()
        try:
            self._make()
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, traceback: TracebackType | None) -> None:
        self._remove()

    def address(self, machine: int) -> str:
        """Return the address of a machine."""
        return f"10.77.0.{machine + 1}"

    def command(self, machine: int) -> list[str]:
        """Return what is put before a command so that it runs on a machine.

        Its name is its address there: some engines listen where the machine's name leads.
        """
        named = f'echo {self.address(machine)} > /proc/sys/kernel/hostname && exec "$0" "$@"'
        return ["ip", "netns", "exec", self._machines[machine], "unshare", "--uts", "sh", "-c", named]

    def set_rate(self, megabits: float | None) -> None:
        """Limit every link, in each direction, to so many Mbit/s; `None` for no limit."""
        handed = _MOST_HANDED_OVER if megabits is None else round(megabits * 1e6 / 8 * _HANDED_OVER)
        limit = f"echo {min(handed, _MOST_HANDED_OVER)} > /proc/sys/net/ipv4/tcp_limit_output_bytes"
        for machine in self._machines:
            _run("ip", "netns", "exec", machine, "sh", "-c", limit)
        for machine, link in self._ends():
            if megabits is None:
                with contextlib.suppress(RuntimeError):  # there is none to remove
                    _run("tc", "-n", machine, "qdisc", "del", "dev", link, "root")
                continue
            # As little as possible is free after a rest: one packet, or what a millisecond brings.
            burst = max(_WITH_HEADER, round(megabits * 1e6 / 8 * 1e-3))
            limit = f"rate {round(megabits * 1e6)}bit burst {burst} limit {_QUEUE}"
            _run("tc", "-n", machine, "qdisc", "replace", "dev", link, "root", "tbf", *limit.split())

    def sent(self) -> list[int]:
        """Return the bytes that each machine has sent, headers and all, once no link moves any more.

        Raises:
            RuntimeError: They do not come to rest.
        """
        before = self._counters()
        for _ in range(_TRIES):
            time.sleep(_REST)
            now = self._counters()
            if now == before:
                return now
            before = now
        raise RuntimeError("the links do not come to rest: somebody still sends")

    def _counters(self) -> list[int]:
        shown = (_run("ip", "-n", machine, "-s", "-j", "link", "show", _LINK) for machine in self._machines)
        return [int(json.loads(text)[0]["stats64"]["tx"]["bytes"]) for text in shown]

    def _ends(self) -> Iterator[tuple[str, str]]:
        yield from ((machine, _LINK) for machine in self._machines)
        if self._switch:
            yield from ((self._switch, f"port{i}") for i in range(self.size))

    def _make(self) -> None:
        for name in self._namespaces():
            _run("ip", "netns", "add", name)
            _run("ip", "-n", name, "link", "set", "lo", "up")
        if self._switch:
            _run("ip", "-n", self._switch, "link", "add", "switch", "mtu", str(_PACKET), "type", "bridge")
            _run("ip", "-n", self._switch, "link", "set", "switch", "up")
            for i, machine in enumerate(self._machines):
                _connect(machine, self._switch, f"port{i}")
                _run("ip", "-n", self._switch, "link", "set", f"port{i}", "master", "switch")
        else:
            _connect(self._machines[0], self._machines[1], _LINK)
        for machine, link in self._ends():
            _run("ip", "-n", machine, "link", "set", link, "up")
        for i, machine in enumerate(self._machines):
            _run("ip", "-n", machine, "addr", "add", f"{self.address(i)}/24", "dev", _LINK)

    def _namespaces(self) -> list[str]:
        return [*self._machines, *([self._switch] if self._switch else [])]

    def _remove(self) -> None:
        # A second Ctrl-C shall not leave the half of it.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
        try:
            for name in self._namespaces():
                _remove(name)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


def remove_stale() -> None:
    """Remove what processes have left behind that were killed."""
    for path in _FOLDER.glob(f"{_PREFIX}-*-*"):
        pid = path.name.split("-")[1]
        if pid.isdigit() and not Path("/proc", pid).exists():
            _remove(path.name)


def _connect(machine: str, other: str, link: str) -> None:
    peer = f"peer name {link} mtu {_PACKET} netns {other}".split()
    _run("ip", "-n", machine, "link", "add", _LINK, "mtu", str(_PACKET), "type", "veth", *peer)


def _remove(name: str) -> None:
    # Links go with their namespace.
    with contextlib.suppress(RuntimeError):
        _run("ip", "netns", "del", name)


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - no argument of a user
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout
