"""What the pages on optimizers share: a table of costs, measured or read from the benchmarks, and a picture."""

import json
from pathlib import Path

import keras
import numpy as np
from IPython.display import SVG, Markdown

import keras_neural_opt as kno
from keras_neural_opt.benchmarks import trajectory_figure
from keras_neural_opt.training._report import svg

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
SHAPES = ((512, 512), (512,))
COUNT = sum(int(np.prod(shape)) for shape in SHAPES)


def state_bytes(optimizer):
    """Return the bytes of state a float32 parameter of a dense layer of 512 x 512."""
    variables = [keras.Variable(np.zeros(shape, "float32")) for shape in SHAPES]
    before = sum(4 * int(np.prod(v.shape)) for v in optimizer.variables)
    optimizer.build(variables)
    return (sum(4 * int(np.prod(v.shape)) for v in optimizer.variables) - before) / COUNT


def times(backend):
    """Return the time of a step over Adam's, by optimizer: 25.6 million parameters on one thread."""
    times = {}
    for what in ("family", "step"):
        record = json.loads((BENCHMARKS / f"{what}_{backend}_1.json").read_text())
        rows = [r for r in record["results"] if r["model"] == "resnet50" and r["option"] == "plain"]
        found = {r["optimizer"]: r["times"]["ours"]["wall_ms_median"] for r in rows}
        # Over the Adam of the same run: another run's machine may have been slower.
        times = {name: time / found["Adam"] for name, time in found.items()} | times
    return times


def costs(*names):
    """Return a table: each optimizer's state, and its step over Adam's."""
    columns = {backend: times(backend) for backend in ("torch", "jax")}
    lines = ["| | State, bytes a parameter | Step on torch over Adam's | on JAX |", "|---|---|---|---|"]
    for name in names:
        over = (f"{column[name]:.2f}" for column in columns.values())
        cells = [f"`{name}`", f"{state_bytes(getattr(kno.optimizers, name)()):.2f}", *over]
        lines.append("| " + " | ".join(cells) + " |")
    return Markdown("\n".join(lines))


def ways(optimizers, problem="rosenbrock", steps=200):
    """Return the picture of their ways."""
    return SVG(svg(trajectory_figure(optimizers, problem, steps), background="white"))
