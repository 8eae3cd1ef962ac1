"""What makes several processes a cluster: three facts that torchrun, TensorFlow and JAX each read from variables."""

import ipaddress
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from keras_neural_opt._core.arguments import Argument, check_arguments, integer, optional

_TF_CONFIG_RULE = (
    'JSON of workers and one chief at most, such as {"cluster": {"worker": ["10.0.0.1:1234", "10.0.0.2:1234"]},'
    ' "task": {"type": "worker", "index": 0}}'
)


@dataclass(frozen=True)
class Settings:
    """Which process of how many this is, and where it finds the others.

    Args:
        rank: The number of this process.
        size: How many there are.
        addresses: `HOST:PORT` of rank 0, or of every rank; empty for one process.
        local_rank: The number of this process among those of its machine, where it is known.
    """

    rank: int
    size: int
    addresses: tuple[str, ...] = ()
    local_rank: int | None = None

    @property
    def is_local(self) -> bool:
        """Whether the first address is one that only this machine reaches."""
        return bool(self.addresses) and _is_loopback(host_and_port(self.addresses[0])[0])

    def joins(self, other: "Settings") -> bool:
        """Whether both are the same place in the same cluster."""
        same = (self.rank, self.size) == (other.rank, other.size)
        return same and self.addresses[:1] == other.addresses[:1]


def given(address: Any, processes: Any, rank: Any) -> Settings | None:
    """Return the settings of the arguments of `initialize`, or `None` where there are none.

    Raises:
        ValueError: One breaks its rule, or is missing.
    """
    if address is None and processes is None and rank is None:
        return None
    size = check_arguments("initialize", processes=integer(processes, 1))["processes"]
    if size == 1:
        alone = optional(integer(rank, 0, 0)), optional(_addresses(address, 1))
        own = check_arguments("initialize", rank=alone[0], address=alone[1])
        return Settings(0, 1, own["address"] or ())
    own = check_arguments("initialize", rank=integer(rank, 0, size - 1), address=_addresses(address, size))
    return Settings(own["rank"], size, own["address"])


def from_environment(backend: str) -> Settings | None:
    """Return the settings of the environment, those of the backend's own engine first; `None` where there are none.

    Raises:
        ValueError: A variable breaks its rule, or only some of those that belong together are set.
    """
    ordered = sorted(_KINDS, key=lambda name: name != backend)
    complete = [name for name in ordered if all(os.environ.get(v) for v in _KINDS[name][0])]
    begun = [name for name in ordered if any(os.environ.get(v) for v in _KINDS[name][0])]
    # What is complete goes before the half of another kind, which a machine's image may have set.
    found = (_KINDS[name][1]() for name in [*complete, *(name for name in begun if name not in complete)])
    return next((settings for settings in found if settings), None)


def host_and_port(address: str) -> tuple[str, int]:
    """Return both parts of `HOST:PORT`; an IPv6 host is in brackets there."""
    host, _, port = address.rpartition(":")
    return host.removeprefix("[").removesuffix("]"), int(port)


def _of_torchrun() -> Settings:
    size = _whole("WORLD_SIZE", 1)
    rank = _whole("RANK", 0, size - 1)
    local = _whole("LOCAL_RANK", 0) if os.environ.get("LOCAL_RANK") else None
    host = _checked(MASTER_ADDR=Argument(os.environ.get("MASTER_ADDR"), "a host", _nonempty))
    return Settings(rank, size, (f"{host}:{_whole('MASTER_PORT', 1, 65535)}",), local)


def _of_jax() -> Settings:
    size = _whole("JAX_NUM_PROCESSES", 1)
    rank = _whole("JAX_PROCESS_ID", 0, size - 1)
    name = "JAX_COORDINATOR_ADDRESS"
    return Settings(rank, size, _checked(**{name: _addresses(os.environ.get(name), 1)}))


def _of_tf_config() -> Settings | None:
    settings: Settings | None = _checked(
        TF_CONFIG=Argument(os.environ.get("TF_CONFIG"), _TF_CONFIG_RULE, _read_tf_config)
    )
    return settings


def _read_tf_config(text: str) -> Settings | None:
    config: Any = json.loads(text)
    jobs: Any = config.get("cluster") if isinstance(config, dict) else ()
    if jobs in (None, {}):
        return None  # As TensorFlow reads it: no cluster.
    try:
        task = config["task"]
        chiefs, workers = jobs.get("chief", []), jobs.get("worker", [])
        members = [("chief", i) for i in range(len(chiefs))] + [("worker", i) for i in range(len(workers))]
        rank = members.index((task["type"], int(task["index"])))
        if len(chiefs) > 1 or set(jobs) - {"chief", "worker"}:
            raise ValueError
        return Settings(rank, len(members), tuple(map(_address, [*chiefs, *workers])))
    except (AttributeError, KeyError):
        raise ValueError from None


# The variables of each kind that belong together, under the backend whose engine reads them.
_KINDS: dict[str, tuple[tuple[str, ...], Callable[[], Settings | None]]] = {
    "torch": (("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"), _of_torchrun),
    "tensorflow": (("TF_CONFIG",), _of_tf_config),
    "jax": (("JAX_COORDINATOR_ADDRESS", "JAX_NUM_PROCESSES", "JAX_PROCESS_ID"), _of_jax),
}


def _whole(variable: str, minimum: int, maximum: int | None = None) -> int:
    rule = integer(minimum, minimum, maximum)
    text = os.environ.get(variable)
    number: int = _checked(**{variable: Argument(text, rule.rule, lambda given: rule.convert(int(given)))})
    return number


def _checked(**argument: Argument) -> Any:
    return next(iter(check_arguments("environment", **argument).values()))


def _nonempty(text: Any) -> str:
    if not isinstance(text, str) or not text:
        raise ValueError
    return text


def _addresses(value: Any, size: int) -> Argument:
    def convert(given: Any) -> Sequence[str]:
        addresses = tuple(_address(part.strip()) for part in _nonempty(given).split(","))
        if len(addresses) not in (1, size):
            raise ValueError
        return addresses

    many = f", or {size} of them separated by commas" if size > 1 else ""
    return Argument(value, f"HOST:PORT of rank 0{many}", convert)


def _address(text: str) -> str:
    host, port = host_and_port(_nonempty(text))
    if not host or not 1 <= port <= 65535:
        raise ValueError
    return text


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
