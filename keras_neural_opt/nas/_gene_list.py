"""How a built-in space declares its genes: choices as arguments, blocks that count up to a depth."""

from collections.abc import Callable, Sequence
from typing import Any

from keras_neural_opt._core.arguments import Argument


def choices(value: Any, each: Callable[[Any], Argument]) -> Argument:
    """One value, or several of them to choose among.

    Args:
        value: What the user gave.
        each: The check of one value.
    """

    def convert(given: Any) -> tuple[Any, ...]:
        values = tuple(each(v).convert(v) for v in (given if isinstance(given, (tuple, list)) else (given,)))
        if not values or len(set(values)) < len(values):
            raise ValueError
        return values

    rule = each(None).rule
    return Argument(value, f"{rule}, or a list of such that all differ", convert)


class GeneList:
    """Genes in order. What has one choice only is fixed instead: a mutation of it would change nothing."""

    def __init__(self) -> None:
        self.entries: list[tuple[Any, ...]] = []
        self.fixed: dict[str, Any] = {}

    def add(self, name: str, values: Sequence[Any], when: tuple[str, list[Any]] | None = None) -> None:
        """Append a gene with that condition."""
        if len(values) == 1:
            self.fixed[name] = values[0]
        else:
            condition = () if when is None else ({"when": when},)
            self.entries.append((name, "categorical", list(values), *condition))

    def add_repeated(self, depth: str, depths: Sequence[int], unit: str, **of_each: Sequence[Any]) -> None:
        """Append a gene for how often something is repeated, and genes of each repetition, which count up to there.

        Args:
            depth: The name of the gene.
            depths: Its choices.
            unit: What is repeated: the genes of the third one are called `{unit}_3_{name}`.
            **of_each: The choices by name.
        """
        self.add(depth, depths)
        for i in range(1, max(depths) + 1):
            deep_enough = [d for d in depths if d >= i]
            when = None if len(deep_enough) == len(depths) else (depth, deep_enough)
            for name, values in of_each.items():
                self.add(f"{unit}_{i}_{name}", values, when)
