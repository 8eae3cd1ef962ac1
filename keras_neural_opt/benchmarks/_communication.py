"""Data-parallel training over slow links: the time of a step, and the bytes that a link really carries."""

import os
import statistics
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras

from keras_neural_opt._core.arguments import check_arguments, integer, positive
from keras_neural_opt.benchmarks._communication_contestants import BATCH, CONTROL, NATIVE, names
from keras_neural_opt.benchmarks._communication_workers import Workers
from keras_neural_opt.benchmarks._network import Network, check_can_make_networks

LINKS: tuple[float | None, ...] = (20, 100, 1000, None)
MODEL = {"inputs": 64, "units": 512, "layers": 3}
# Steps of a contestant before its times count, on each link anew, and those of one of its turns.
WARM_UP, STEPS = 6, 4
# What headers and acknowledgements may add to the bytes that are counted; small messages have more of them.
_LARGE = 500_000
_EXCESS, _EXCESS_OF_SMALL = 0.03, 0.12


def communication(
    processes: Sequence[int] = (2, 4),
    links: Sequence[float | None] = LINKS,
    contestants: Sequence[str] = (),
    rounds: int = 5,
    model: Mapping[str, int] | None = None,
    advance: Callable[[], Any] | None = None,
) -> dict[str, Any]:
    """Train a network in several processes, each in a network namespace whose link has a given rate.

    What is counted is what the kernel says that the links have carried, when all workers are done and nothing moves
    any more. All contestants of a link take turns, in each round all of them. One of them, the control, counts fewer
    bytes than it sends: the benchmark fails if it does not find that out.

    Args:
        processes: Numbers of workers, each >= 2.
        links: Rates in Mbit/s, in each direction; `None` for a link without a limit.
        contestants: Names of those to measure besides the control. Defaults to all.
        rounds: How many rounds, of four steps of each contestant.
        model: `inputs`, `units` and `layers` of the network; defaults to 64 features and three layers of 512.
        advance: Called after each round, to show progress.

    Returns:
        A record for `write_record`, with a result for each number of processes, link and contestant. Times are
        milliseconds of a step, of the worker that was slowest in it: for each round the median of its steps, and the
        median of the rounds. Bytes are those that a worker sends in a step. `within_bound` says whether the link has
        carried what was counted, within 3 % from 500,000 bytes on and 12 % below.

    Raises:
        ValueError: An argument breaks its rule.
        RuntimeError: This process is not root, a tool is missing, a worker failed, or the control was not found out.

    Example:
        >>> from keras_neural_opt.benchmarks import communication
        >>> record = communication([2], [20], ["Int8"])  # doctest: +SKIP
        >>> record["results"][0]["speedup"]  # doctest: +SKIP
        3.9
    """
    chosen = _checked(processes, links, contestants, rounds)
    check_can_make_networks("communication")
    model = dict(model or MODEL)
    results = []
    for size in processes:
        with Network(size) as network, Workers(network, keras.backend.backend(), model) as workers:
            for link in links:
                network.set_rate(link)
                load = round(os.getloadavg()[0], 1)
                turns = _turns(network, workers, chosen, rounds, advance)
                place = {"processes": size, "link_mbit": link, "load_average": load}
                rows = [{**place, **_row(name, turns)} for name in chosen]
                _check_control(rows)
                results += rows
    return {"benchmark": "communication", **settings(rounds, model), "results": results}


def settings(rounds: int, model: Mapping[str, int] = MODEL) -> dict[str, Any]:
    """Return what rows must have in common to stand in one table."""
    return {
        "model": dict(model),
        "batch": BATCH,
        "rounds": rounds,
        "steps_of_a_round": STEPS,
        "warm_up": WARM_UP,
        "congestion_control": Path("/proc/sys/net/ipv4/tcp_congestion_control").read_text().strip(),
        # Whether other programs on the same processors had to wait for the workers.
        "real_time": os.sched_getscheduler(0) in (os.SCHED_FIFO, os.SCHED_RR),
    }


def rounds_of(processes: Sequence[int], links: Sequence[float | None], rounds: int) -> int:
    """Return how often `advance` is called."""
    return len(processes) * len(links) * rounds


def _checked(
    processes: Sequence[int], links: Sequence[float | None], contestants: Sequence[str], rounds: int
) -> list[str]:
    known = names(keras.backend.backend())
    for size in processes:
        check_arguments("communication", processes=integer(size, 2, 200))
    for link in links:
        check_arguments("communication", links=positive(1.0 if link is None else link))
    check_arguments("communication", rounds=integer(rounds, 1))
    unknown = next((name for name in contestants if name not in known), None)
    if unknown is not None:
        raise ValueError(f"communication.contestants must be of {', '.join(known)}; received {unknown!r}")
    return [name for name in known if name in contestants or name == CONTROL] if contestants else known


Turns = dict[str, list[dict[str, float]]]


def _turns(
    network: Network, workers: Workers, contestants: Sequence[str], rounds: int, advance: Callable[[], Any] | None
) -> Turns:
    for name in contestants:
        workers.ask(name, WARM_UP)
    turns: Turns = {name: [] for name in contestants}
    order = deque(contestants)
    for _ in range(rounds):
        order.rotate(-1)  # nobody always comes after the same one
        for name in order:
            turns[name].append(_turn(network, workers, name))
        if advance:
            advance()
    return turns


def _turn(network: Network, workers: Workers, name: str) -> dict[str, float]:
    before = network.sent()
    answers = workers.ask(name, STEPS)
    carried = sum(network.sent()) - sum(before)
    slowest = [max(step) for step in zip(*(answer["wall_ms"] for answer in answers), strict=True)]
    cpu = [time for answer in answers for time in answer["cpu_ms"]]
    each = len(answers) * STEPS
    return {
        "wall": statistics.median(slowest),
        "cpu": statistics.median(cpu),
        "carried": carried / each,
        "counted": sum(answer["counted"] for answer in answers) / each,
    }


def _row(name: str, turns: Turns) -> dict[str, Any]:
    own = turns[name]
    wall = [turn["wall"] for turn in own]
    carried, counted = (statistics.median(turn[what] for turn in own) for what in ("carried", "counted"))
    excess = carried / counted - 1
    row = {
        "contestant": name,
        "wall_ms_median": round(statistics.median(wall), 2),
        "wall_ms_of_rounds": [round(time, 2) for time in wall],
        "cpu_ms_median": round(statistics.median(turn["cpu"] for turn in own), 2),
        "bytes_on_link": round(carried),
        "bytes_counted": round(counted),
        "excess": round(excess, 4),
        "within_bound": abs(excess) <= (_EXCESS if counted >= _LARGE else _EXCESS_OF_SMALL),
    }
    if NATIVE in turns:
        ratios = [theirs["wall"] / time for theirs, time in zip(turns[NATIVE], wall, strict=True)]
        row["speedup"] = round(statistics.median(ratios), 2)
        row["fewer_bytes"] = round(statistics.median(turn["carried"] for turn in turns[NATIVE]) / carried, 2)
    return row


def _check_control(rows: Sequence[Mapping[str, Any]]) -> None:
    (control,) = [row for row in rows if row["contestant"] == CONTROL]
    if control["within_bound"]:
        raise RuntimeError(
            f"the control counts a quarter of its bytes, and the link has carried {control['bytes_on_link']} of"
            f" {control['bytes_counted']}: what is counted here cannot be trusted"
        )
