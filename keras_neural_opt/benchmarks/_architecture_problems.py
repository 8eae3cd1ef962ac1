"""What architecture searches are compared on: networks whose accuracy is looked up or computed, with noise."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from keras_neural_opt.benchmarks._train_data import table_in

TABLE = "nas_bench_macro.npz"
Array = np.ndarray[Any, np.dtype[np.float64]]


class Problem(Protocol):
    """Networks, of which each training comes to another accuracy.

    Args:
        space: The genes.
        best: The best mean accuracy of a network.
    """

    space: list[tuple[Any, ...]]
    best: float

    def mean(self, genotype: Mapping[str, Any]) -> float:
        """Return the mean accuracy of a network, in percent."""

    def trained(self, genotype: Mapping[str, Any], rng: np.random.Generator) -> float:
        """Return the accuracy of one training of it."""

    def cost(self, genotype: Mapping[str, Any]) -> float:
        """Return what the network costs to use."""


class Macro:
    """NAS-Bench-Macro (Su et al., 2021): 6561 networks of 8 blocks, each trained three times on CIFAR-10.

    Args:
        folder: Where the table is.

    Raises:
        FileNotFoundError: The folder does not have the table.
    """

    def __init__(self, folder: Path | None) -> None:
        path = table_in(folder, TABLE)
        with np.load(path, allow_pickle=False) as table:
            choices, self.accuracies, self.flops = table["X"], table["acc"].astype(float), table["flops"]
        self.space = [(f"block_{i}", "categorical", [0, 1, 2]) for i in range(choices.shape[1])]
        self._rows = {tuple(row): i for i, row in enumerate(choices.tolist())}
        self._means = self.accuracies.mean(1)
        self.best = float(self._means.max())

    def mean(self, genotype: Mapping[str, Any]) -> float:
        """Return the mean accuracy of the three trainings."""
        return float(self._means[self._row(genotype)])

    def trained(self, genotype: Mapping[str, Any], rng: np.random.Generator) -> float:
        """Return the accuracy of one of the three."""
        return float(rng.choice(self.accuracies[self._row(genotype)]))

    def cost(self, genotype: Mapping[str, Any]) -> float:
        """Return the millions of operations of a forward pass."""
        return float(self.flops[self._row(genotype)]) / 1e6

    def _row(self, genotype: Mapping[str, Any]) -> int:
        return self._rows[tuple(genotype[name] for name, *_ in self.space)]


class Chain:
    """A chain of 16 genes of 4 values: what each adds, and each two neighbours together; 4e9 networks.

    Args:
        seed: Where the random numbers of the table begin.
    """

    noise = 0.2

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng([seed, 1])
        self.space = [(f"gene_{i}", "categorical", [0, 1, 2, 3]) for i in range(16)]
        self._alone = rng.standard_normal((16, 4)) / 4.0
        self._pairs = 0.5 * rng.standard_normal((15, 4, 4)) / 4.0
        # The best chain up to each value of the gene, one gene after the other.
        so_far = self._alone[0]
        for alone, pairs in zip(self._alone[1:], self._pairs, strict=True):
            so_far = (so_far[:, None] + pairs).max(0) + alone
        self.best = float(so_far.max())

    def mean(self, genotype: Mapping[str, Any]) -> float:
        """Return the sum."""
        x = [genotype[name] for name, *_ in self.space]
        alone = sum(self._alone[i, value] for i, value in enumerate(x))
        return float(alone + sum(self._pairs[i, x[i], x[i + 1]] for i in range(15)))

    def trained(self, genotype: Mapping[str, Any], rng: np.random.Generator) -> float:
        """Return the sum with noise."""
        return self.mean(genotype) + self.noise * float(rng.standard_normal())

    def cost(self, genotype: Mapping[str, Any]) -> float:
        """Return the sum of the values."""
        return float(sum(genotype.values()))


class Stages:
    """The space of MobileNetV3: 5 stages of 2 to 4 blocks with a kernel and an expansion each; 2e19 networks.

    Args:
        seed: Where the random numbers of the table begin.
    """

    noise = 0.2

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng([seed, 2])
        self.space = []
        for s in range(5):
            self.space.append((f"depth_{s}", "int", 2, 4))
            for b in range(4):
                needs = ({"when": (f"depth_{s}", list(range(b + 1, 5)))},) if b >= 2 else ()
                self.space.append((f"kernel_{s}_{b}", "categorical", [3, 5, 7], *needs))
                self.space.append((f"expand_{s}_{b}", "categorical", [3, 4, 6], *needs))
        self._depth = 0.2 * rng.standard_normal((5, 3))
        kernel, expand = (0.2 * rng.standard_normal((5, 4, *shape)) for shape in ((3, 1), (1, 3)))
        self._block = kernel + expand + 0.1 * rng.standard_normal((5, 4, 3, 3))
        blocks = self._block.max((2, 3)).cumsum(1)[:, 1:]
        self.best = float((self._depth + blocks).max(1).sum())

    def mean(self, genotype: Mapping[str, Any]) -> float:
        """Return what the depths and the blocks that there are add."""
        total = 0.0
        for s in range(5):
            depth = genotype[f"depth_{s}"]
            total += self._depth[s, depth - 2]
            for b in range(depth):
                kernel, expand = (genotype[f"kernel_{s}_{b}"], genotype[f"expand_{s}_{b}"])
                total += self._block[s, b, (kernel - 3) // 2, (3, 4, 6).index(expand)]
        return float(total)

    def trained(self, genotype: Mapping[str, Any], rng: np.random.Generator) -> float:
        """Return that with noise."""
        return self.mean(genotype) + self.noise * float(rng.standard_normal())

    def cost(self, genotype: Mapping[str, Any]) -> float:
        """Return how many weights the depthwise and pointwise convolutions of one channel have."""
        blocks = [(s, b) for s in range(5) for b in range(genotype[f"depth_{s}"])]
        return float(sum(genotype[f"expand_{s}_{b}"] * (genotype[f"kernel_{s}_{b}"] ** 2 + 2) for s, b in blocks))
