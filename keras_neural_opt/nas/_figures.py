"""The pictures of networks, and of how a search came to them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from keras_neural_opt.hpo._panels import BEST, DOT, PALE, panels, scale_for
from keras_neural_opt.hpo._parameter import is_finite
from keras_neural_opt.nas._count_flops import layer_flops
from keras_neural_opt.nas._genes import distance

if TYPE_CHECKING:
    from keras_neural_opt.nas._result import ArchitectureSearchResult

# Okabe and Ito's, for the kinds of layers in the order in which they appear.
_COLORS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00")


def architecture_figure(model: Any) -> Figure:
    """Return the layers of a network that multiply: their width above, their share of the multiply-adds below."""
    layers = [(layer, shape, flops) for layer, shape, flops in layer_flops(model) if flops]
    total = sum(flops for _, _, flops in layers) or 1
    kinds = list(dict.fromkeys(type(layer).__name__ for layer, _, _ in layers))
    colors = {kind: _COLORS[i % len(_COLORS)] for i, kind in enumerate(kinds)}
    figure = Figure(figsize=(max(6.0, 0.16 * len(layers) + 2.0), 5.0), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    for i, (layer, shape, flops) in enumerate(layers):
        color = colors[type(layer).__name__]
        above.bar(i, shape[-1], width=0.8, color=color)
        below.bar(i, 100 * flops / total, width=0.8, color=color)
    for kind, color in colors.items():
        above.bar(0, 0, color=color, label=kind)
    above.set(ylabel="channels", title=f"{model.count_params():,} weights, {total:,} multiply-adds")
    above.legend(frameon=False, fontsize="small", ncols=3)
    below.set(ylabel="% of multiply-adds", xlabel="layers that multiply, from the input to the output")
    below.set_xticks(range(0, len(layers), 1 + len(layers) // 12), range(1, len(layers) + 1, 1 + len(layers) // 12))
    for axes in (above, below):
        axes.grid(alpha=0.25, axis="y")
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def genealogy_figure(result: "ArchitectureSearchResult") -> Figure:
    """Return each network that measured something over its first trial, joined to its nearest earlier relative."""
    objective, searched = result.oracle.objectives[0], result.tuner.hypermodel
    networks = _networks(result)
    parents = _parents([each.genotype for each in networks], searched.architectures.genes)
    at = [(each.number, each.value) for each in networks]
    figure, (axes,) = panels(1, size=(8.0, 4.0))
    for child, parent in parents.items():
        axes.plot(*zip(at[parent], at[child], strict=True), color=PALE, linewidth=0.6, alpha=0.5, zorder=1)
    for color, label, whole in ((PALE, "stopped", False), (DOT, "trained whole", True)):
        shown = [place for place, each in zip(at, networks, strict=True) if each.whole is whole]
        if shown:
            axes.scatter(*zip(*shown, strict=True), s=14, color=color, zorder=2, label=label)
    genotype = result.best_architecture.genotype
    line = [next(i for i, each in enumerate(networks) if each.genotype == genotype)]
    while line[-1] in parents:
        line.append(parents[line[-1]])
    ancestors = zip(*(at[i] for i in line), strict=True)
    axes.plot(*ancestors, color=BEST, zorder=1.5, label="the best one's line")
    axes.set(xlabel="trial", ylabel=objective.name)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    scale_for(axes, [each.value for each in networks], objective)
    axes.legend(frameon=False)
    return figure


class _Network(NamedTuple):
    """A network of a search: its first trial, the best that any of its trials measured, whether one was whole."""

    number: int
    genotype: dict[str, Any]
    value: float
    whole: bool


def _networks(result: "ArchitectureSearchResult") -> list[_Network]:
    objective = result.oracle.objectives[0]
    better = min if objective.direction == "min" else max
    found: dict[Any, _Network] = {}
    for trial in result.trials:
        measured = [value for value in trial.history.get(objective.name, []) if is_finite(value)]
        if measured:
            genotype = result.tuner.hypermodel.genotype(trial.hyperparameters)
            new = _Network(trial.number, genotype, better(measured), trial.values is not None)
            old = found.setdefault(tuple(genotype.items()), new)
            merged = old._replace(value=better(old.value, new.value), whole=old.whole or new.whole)
            found[tuple(genotype.items())] = merged
    return list(found.values())


def _parents(genotypes: Sequence[dict[str, Any]], genes: Any) -> dict[int, int]:
    """Return of each but the first the earlier one that it differs least from, the latest of several."""
    return {
        child: min(range(child), key=lambda i: (distance(genes, genotypes[child], genotypes[i]), -i))
        for child in range(1, len(genotypes))
    }
