"""Pictures of records of training: steps to the target, and how little large batches lose."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

_OURS, _BASELINE, _MISSED = "#1f5fa8", "#c0392b", "#999999"
_LINES = ("#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#17becf", "#8c564b", "#e377c2")


def train_figure(record: Mapping[str, Any]) -> Figure:
    """Return a figure with one row an optimizer, the fastest first: steps to the target, or the last score.

    Args:
        record: What `train` returned.

    Returns:
        A matplotlib figure. A dot is the median over the seeds, a line goes from the least to the most. Whoever did
        not reach the target in most runs stands at the end, in grey, with its last score; Keras' AdamW is red.

    Example:
        >>> from keras_neural_opt.benchmarks import train, train_figure
        >>> figure = train_figure(train("digits", ["Adam"], seeds=1))  # doctest: +SKIP
    """
    results = ranked(record)
    figure = Figure(figsize=(7.5, 1.3 + 0.26 * len(results)), layout="constrained")
    axes = figure.add_subplot()
    for y, row in enumerate(results):
        values = _values(record, row)
        color = _BASELINE if row["optimizer"].startswith("Keras") else _OURS
        if record["target"] is not None and row["median_steps"] is None:
            color = _MISSED
            last = "diverged" if row["median_score"] is None else f"{record['metric']} {row['median_score']:.3f}"
            axes.annotate(
                f"not reached: {last}",
                (record["steps"], y), xytext=(6, 0), textcoords="offset points", fontsize=7, va="center", color=color,
            )  # fmt: skip
        axes.plot([min(values), max(values)], [y, y], color=color, linewidth=1.2, alpha=0.7)
        axes.plot([_median(record, row)], [y], marker="o", color=color, markersize=5)
    axes.set_yticks(range(len(results)), [row["optimizer"] for row in results], fontsize=8)
    axes.set_ylim(len(results) - 0.4, -0.6)
    goal = "last " + record["metric"]
    if record["target"] is not None:
        goal = f"steps to a held-out {record['metric']} of {record['target']:g}, of {record['steps']}"
        axes.set_xlim(0, record["steps"] * 1.25)
    axes.set_xlabel(f"{goal}; median and range of {record['seeds']} seeds", fontsize=9)
    axes.set_title(f"{record['title']}, batches of {record['batch']}", fontsize=10)
    axes.grid(axis="x", alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def batch_size_figure(records: Sequence[Mapping[str, Any]]) -> Figure:
    """Return a figure of the last score of each optimizer at several batch sizes, after as many samples.

    Args:
        records: What `train` returned for the same task in batches of several sizes.

    Returns:
        A matplotlib figure; a bar goes from the least to the most of the seeds.

    Example:
        >>> from keras_neural_opt.benchmarks import batch_size_figure, train
        >>> records = [train(f"mnist_batch_{n}", ["LAMB", "SGD"]) for n in (64, 4096)]  # doctest: +SKIP
        >>> figure = batch_size_figure(records)  # doctest: +SKIP
    """
    figure = Figure(figsize=(7, 4.2), layout="constrained")
    axes = figure.add_subplot()
    names = list(dict.fromkeys(row["optimizer"] for record in records for row in record["results"]))
    for number, name in enumerate(names):
        points = [
            (x, row["scores"], row["median_score"])
            for x, record in enumerate(records)
            for row in record["results"]
            if row["optimizer"] == name and None not in row["scores"]
        ]
        # Side by side, or the bars would hide each other.
        place = [x + 0.05 * (number - (len(names) - 1) / 2) for x, _, _ in points]
        middles = [middle for _, _, middle in points]
        spread = [[m - min(s) for _, s, m in points], [max(s) - m for _, s, m in points]]
        color = _LINES[number % len(_LINES)]
        axes.errorbar(place, middles, spread, label=name, color=color, marker="o", markersize=5, capsize=3)
    axes.set_xticks(range(len(records)), [f"batches of {record['batch']}" for record in records])
    axes.set_xlim(-0.4, len(records) - 0.6)
    axes.set_ylabel(f"held-out {records[0]['metric']} after as many samples")
    axes.grid(axis="y", alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=9)
    return figure


def ranked(record: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return a record's results, the best first: by steps to the target, then by last score.

    Args:
        record: What `train` returned.

    Returns:
        The rows of `record["results"]`.

    Example:
        >>> from keras_neural_opt.benchmarks import ranked, train
        >>> best = ranked(train("digits", seeds=3))[0]["optimizer"]  # doctest: +SKIP
    """
    worst, sign = float("inf"), -1.0 if record["metric"] == "accuracy" else 1.0

    def place(row: Mapping[str, Any]) -> tuple[float, float]:
        steps, score = row["median_steps"], row["median_score"]
        return worst if steps is None else steps, worst if score is None else sign * score

    return sorted(record["results"], key=place)


def _values(record: Mapping[str, Any], row: Mapping[str, Any]) -> list[float]:
    if record["target"] is None:
        return [score for score in row["scores"] if score is not None] or [float("nan")]
    return [record["steps"] if steps is None else steps for steps in row["steps"]]


def _median(record: Mapping[str, Any], row: Mapping[str, Any]) -> float:
    if record["target"] is None:
        return float("nan") if row["median_score"] is None else row["median_score"]
    return float(record["steps"] if row["median_steps"] is None else row["median_steps"])
