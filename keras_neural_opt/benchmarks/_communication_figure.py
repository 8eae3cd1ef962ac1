"""The picture of records of communication: the time of a step by the rate of the link."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib import colormaps
from matplotlib.figure import Figure

from keras_neural_opt.benchmarks._communication_contestants import CONTROL, NATIVE

# Where a link without a limit stands, on the axis of rates: so many times beyond the fastest.
_BEYOND = 10
_TITLES = {"torch": "torch", "jax": "JAX", "tensorflow": "TensorFlow"}


def communication_figure(records: Sequence[Mapping[str, Any]], processes: int = 2) -> Figure:
    """Return a figure with a panel for each record: a line a contestant, the time of a step by the rate of the link.

    Args:
        records: What `communication` returned, with their `environment`; one of each backend, say.
        processes: The number of workers, >= 2.

    Returns:
        A matplotlib figure with two logarithmic axes. A dot is the median of the rounds, a thin line goes from the
        least to the most; the native data parallelism is black. What has no limit stands at the right.

    Example:
        >>> import json
        >>> from pathlib import Path
        >>> from keras_neural_opt.benchmarks import communication_figure
        >>> record = json.loads(Path("communication_torch.json").read_text())  # doctest: +SKIP
        >>> figure = communication_figure([record])  # doctest: +SKIP
    """
    figure = Figure(figsize=(1.6 + 3.6 * len(records), 4.6), layout="constrained")
    panels = figure.subplots(1, len(records), sharey=True, squeeze=False)[0]
    everyone = list(dict.fromkeys(row["contestant"] for record in records for row in _rows(record, processes)))
    colours = {name: colormaps["tab10"](i % 10) for i, name in enumerate(n for n in everyone if n != NATIVE)}
    for axes, record in zip(panels, records, strict=True):
        _draw(axes, _rows(record, processes), {NATIVE: "black", **colours})
        backend = record.get("environment", {}).get("backend", "")
        axes.set_title(f"{_TITLES.get(backend, backend)}, {processes} workers".lstrip(", "), fontsize=10)
    panels[0].set_ylabel("milliseconds of a step")
    handles = {
        label: handle for axes in panels for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    names = [name for name in everyone if name in handles]
    figure.legend(
        [handles[n] for n in names], names, loc="outside lower center", ncols=4, frameon=False, fontsize=9
    )  # fmt: skip
    return figure


def _rows(record: Mapping[str, Any], processes: int) -> list[Mapping[str, Any]]:
    return [row for row in record["results"] if row["processes"] == processes and row["contestant"] != CONTROL]


def _draw(axes: Any, rows: Sequence[Mapping[str, Any]], colours: Mapping[str, Any]) -> None:
    limited = sorted({row["link_mbit"] for row in rows if row["link_mbit"] is not None})
    end = _BEYOND * (limited[-1] if limited else 1.0)
    for name in dict.fromkeys(row["contestant"] for row in rows):
        own = [row for row in rows if row["contestant"] == name]
        points = sorted((row["link_mbit"] or end, row["wall_ms_median"], row["wall_ms_of_rounds"]) for row in own)
        middle = [time for _, time, _ in points]
        spread = [[m - min(t) for _, m, t in points], [max(t) - m for _, m, t in points]]
        axes.errorbar(
            [rate for rate, _, _ in points], middle, spread, label=name, color=colours[name], marker="o", markersize=4,
            linewidth=1.4, elinewidth=0.8,
        )  # fmt: skip
    axes.set(xscale="log", yscale="log", xlabel="Mbit/s of the link")
    axes.set_xticks([*limited, end], [*(f"{rate:g}" for rate in limited), "no limit"])
    axes.minorticks_off()
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
