"""The picture of a record of steps: how much longer each peer takes than ours, or how much shorter."""

from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

_MARKS = {
    "keras": ("o", "#c0392b"),
    "torch foreach": ("s", "#7f8c8d"),
    "torch fused": ("D", "#e67e22"),
    "pytorch_optimizer": ("^", "#8e44ad"),
    "optax": ("s", "#2471a3"),
    "bandwidth limit": ("|", "#111111"),
}
# Differences below this are noise of the machine, and are not called a loss.
_EQUAL = 1.02


def step_figure(record: Mapping[str, Any], clock: str = "wall") -> Figure:
    """Return a figure with one row a measured step: each peer's time over ours, on a logarithmic axis.

    Args:
        record: What `step` or `step_suite` returned.
        clock: `"wall"` or `"cpu"`.

    Returns:
        A matplotlib figure. What stands right of the line at 1 is slower than ours; what stands left is faster.

    Example:
        >>> from keras_neural_opt.benchmarks import step, step_figure
        >>> figure = step_figure(step(["sgd"], model="mlp", rounds=1))
    """
    results = record["results"]
    figure = Figure(figsize=(8, 1.2 + 0.26 * len(results)), layout="constrained")
    axes = figure.add_subplot()
    axes.axvline(1.0, color="#1e8449", linewidth=1.5, zorder=1)
    for peer, (marker, color) in _MARKS.items():
        points = [(1 / row["ours_over"][peer][clock], y) for y, row in enumerate(results) if peer in row["ours_over"]]
        if points:
            size = 90 if marker == "|" else 26
            axes.scatter(*zip(*points, strict=True), marker=marker, color=color, s=size, label=peer, zorder=2)
    axes.set_yticks(range(len(results)), [_label(row) for row in results], fontsize=8)
    axes.set_ylim(len(results) - 0.4, -0.6)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    ticks = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50)
    low, high = axes.get_xlim()
    axes.set_xticks([tick for tick in ticks if low <= tick <= high])
    threads = f"{record['threads']} thread{'s' if record['threads'] > 1 else ''}"
    axes.set_xlabel(f"time over ours ({clock} clock, {threads}); left of the line: faster than ours")
    axes.grid(axis="x", alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8, ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    return figure


def losses(record: Mapping[str, Any], clock: str = "wall") -> list[tuple[str, str, float]]:
    """Return where a peer is faster: the step, the fastest peer, and our time over its, the largest first.

    Args:
        record: What `step` or `step_suite` returned.
        clock: `"wall"` or `"cpu"`.

    Returns:
        Rows for which the ratio is above 1.02; smaller differences are noise. The bandwidth limit is no peer.

    Example:
        >>> from keras_neural_opt.benchmarks import losses, step
        >>> rows = losses(step(["sgd"], model="mlp", rounds=1))
    """
    found = []
    for row in record["results"]:
        peers = {peer: ratio[clock] for peer, ratio in row["ours_over"].items() if peer != "bandwidth limit"}
        if peers and max(peers.values()) > _EQUAL:
            fastest = max(peers, key=lambda peer: peers[peer])
            found.append((_label(row), fastest, peers[fastest]))
    return sorted(found, key=lambda row: -row[2])


def _label(row: Mapping[str, Any]) -> str:
    option = "" if row["option"] == "plain" else f", {row['option']}"
    return f"{row['optimizer']}, {row['model']}{option}"
