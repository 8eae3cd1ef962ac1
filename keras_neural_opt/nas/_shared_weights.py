"""One training for all networks of a space: each is then judged with its part of the weights."""

import contextlib
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
from rich.progress import track

from keras_neural_opt.hpo._trial_weights import load_weights, save_weights
from keras_neural_opt.nas._architecture_space import SearchSpace
from keras_neural_opt.nas._compilation import jit_compile
from keras_neural_opt.nas._elastic import ElasticNetwork
from keras_neural_opt.nas._finished import key_of
from keras_neural_opt.nas._genes import sample
from keras_neural_opt.nas._measures import measured
from keras_neural_opt.nas._task import Task
from keras_neural_opt.optimizers import AdamW
from keras_neural_opt.schedules import CosineAnnealing
from keras_neural_opt.training._batch_norm import recalibrate_batch_norm
from keras_neural_opt.training._data import Data, count_batches, is_dataset
from keras_neural_opt.training._training_state import random_state, set_random_state

FILE = "shared.weights.h5"
_LEARNING_RATE = 3e-3
_SANDWICH = 4  # networks of each step, as in Yu et al. (2020)
_EXAMPLES = 512  # for the statistics of the batch norms


class SharedWeights:
    """The weights that the networks of a space share.

    Each step adds up the gradients of the space's extremes, which are the largest network and the smallest, and of
    random ones (the sandwich rule of Yu et al., 2020). A network is judged after its batch norms were given statistics
    of their own: those of the training are of all networks at once.

    Args:
        space: A space that has an elastic network.
        task: What the networks are for.
        data: Training and validation data.
        epochs: Times that the training data are seen, by four networks each.
        batch_size: Of data that are arrays.
        seed: Of what is random.
        folder: Where the weights are kept.
        verbose: Whether a bar is shown.

    References:
        - Yu et al., BigNAS: Scaling Up Neural Architecture Search with Big Single-Stage Models, 2020,
          https://arxiv.org/abs/2003.11142
        - Guo et al., Single Path One-Shot Neural Architecture Search with Uniform Sampling, 2020,
          https://arxiv.org/abs/1904.00420
    """

    def __init__(
        self,
        space: SearchSpace,
        task: Task,
        data: Data,
        *,
        epochs: int,
        batch_size: int,
        seed: int | None,
        folder: Path,
        verbose: int,
    ) -> None:
        self.space, self.task, self.data = space, task, data
        self._epochs, self._batch_size = epochs, batch_size
        self._seed, self._folder, self._verbose = seed or 0, folder, verbose
        self._elastic: ElasticNetwork | None = None
        self._losses: dict[frozenset[tuple[str, Any]], float] = {}

    def __getstate__(self) -> dict[str, Any]:
        # Another process reads the weights.
        return {**vars(self), "_elastic": None}

    def train(self) -> None:
        """Train the weights, unless they are there."""
        self._trained()

    def loss(self, genotype: Mapping[str, Any]) -> float:
        """Return the validation loss of a network with its part of the weights; each is judged once."""
        key = key_of(genotype)
        if key not in self._losses:
            self._losses[key] = self._judged(genotype)
        return self._losses[key]

    def _judged(self, genotype: Mapping[str, Any]) -> float:
        elastic = self._trained()
        numbers = np.array(elastic.numbers(genotype), "float32")
        # In another order than the data's, which may be that of the labels; for each network the same.
        batches = _batches(self.data.training, self._batch_size, np.random.default_rng(self._seed))
        recalibrate_batch_norm(elastic.model, (_joined(batch, numbers) for batch in _enough(batches)))
        steps = _count(self.data.validation, self._batch_size)
        validation = (_joined(batch, numbers) for batch in _batches(self.data.validation, self._batch_size))
        found = elastic.model.evaluate(validation, steps=steps, verbose=0, return_dict=True)["loss"]
        return float(found) if np.isfinite(found) else float(np.finfo("float32").max)

    def _trained(self) -> ElasticNetwork:
        if self._elastic is None:
            with _seeded(self._seed):
                elastic = self.space.elastic(self.task.input_shape, self.task.outputs)
                path = self._folder / FILE
                if path.is_file():
                    load_weights(elastic.model, path)
                    self._compile(elastic, 1)
                else:
                    self._train(elastic)
                    save_weights(elastic.model, path)
            self._elastic = elastic
        return self._elastic

    def _compile(self, elastic: ElasticNetwork, steps: int) -> None:
        optimizer = AdamW(CosineAnnealing(_LEARNING_RATE, steps), gradient_accumulation_steps=_networks(elastic))
        elastic.model.compile(optimizer, self.task.loss, jit_compile=jit_compile())

    def _train(self, elastic: ElasticNetwork) -> None:
        rng = np.random.default_rng(self._seed)
        steps = _count(self.data.training, self._batch_size, whole=True)
        self._compile(elastic, steps * self._epochs)
        for _ in track(range(self._epochs), "shared weights", disable=not self._verbose):
            sandwiches = self._sandwiches(elastic, rng)
            count = _networks(elastic) * steps
            elastic.model.fit(sandwiches, steps_per_epoch=count, shuffle=False, verbose=0)

    def _sandwiches(self, elastic: ElasticNetwork, rng: np.random.Generator) -> Iterator[Any]:
        for batch in _batches(self.data.training, self._batch_size, rng):
            drawn = (sample(self.space.genes, rng) for _ in range(_networks(elastic) - len(elastic.extremes)))
            for genotype in [*elastic.extremes, *drawn]:
                yield _joined(batch, np.array(elastic.numbers(genotype), "float32"))


class LossWithin:
    """The loss of a network with shared weights, or infinity where it breaks a limit.

    Args:
        shared: The weights.
        limits: The largest values of measures, by name.
    """

    def __init__(self, shared: SharedWeights, limits: Mapping[str, float]) -> None:
        self._shared, self._limits = shared, limits
        self._too_large: dict[frozenset[tuple[str, Any]], bool] = {}

    def __call__(self, genotype: Mapping[str, Any]) -> float:
        """Return it; each network is measured once."""
        key = key_of(genotype)
        if key not in self._too_large:
            self._too_large[key] = self._breaks(genotype)
        return math.inf if self._too_large[key] else self._shared.loss(genotype)

    def _breaks(self, genotype: Mapping[str, Any]) -> bool:
        if not self._limits:
            return False
        task = self._shared.task
        known = measured(self._shared.space.build(genotype, task.input_shape, task.outputs), self._limits)
        return any(known[name] > limit for name, limit in self._limits.items())


def _networks(elastic: ElasticNetwork) -> int:
    """Return how many networks each step trains: two random ones at least."""
    return max(_SANDWICH, len(elastic.extremes) + 2)


@contextlib.contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Draw from that seed, and then as if nothing had been drawn."""
    before = random_state()
    keras.utils.set_random_seed(seed)
    try:
        yield
    finally:
        set_random_state(before)


def _joined(batch: tuple[Any, ...], numbers: Any) -> tuple[Any, ...]:
    x, *rest = batch
    return ((x, np.tile(numbers, (len(x), 1))), *rest)


def _count(part: Any, batch_size: int, whole: bool = False) -> int:
    """Return how many batches there are; of arrays without a last one that is smaller, if only whole ones count."""
    if whole and not is_dataset(part):
        return max(len(part[0]) // batch_size, 1)
    known = count_batches(part, batch_size)
    return sum(1 for _ in _batches(part, batch_size)) if known is None else known


def _batches(part: Any, batch_size: int, rng: np.random.Generator | None = None) -> Iterator[tuple[Any, ...]]:
    """Yield inputs, labels and, where there are some, sample weights, as arrays; in random order with a generator."""
    if is_dataset(part):
        made = (part[i] for i in range(len(part))) if isinstance(part, keras.utils.PyDataset) else iter(part)
        for batch in made:
            yield tuple(keras.ops.convert_to_numpy(each) for each in batch)
        return
    arrays = [np.asarray(array) for array in part if array is not None]
    count = len(arrays[0])
    order = np.arange(count) if rng is None else rng.permutation(count)
    # Of a last batch that is smaller another program would be compiled.
    end = count if rng is None or count < batch_size else count - count % batch_size
    for i in range(0, end, batch_size):
        yield tuple(array[order[i : i + batch_size]] for array in arrays)


def _enough(batches: Iterator[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
    """Yield batches until there are enough examples."""
    seen = 0
    for batch in batches:
        yield batch
        seen += len(batch[0])
        if seen >= _EXAMPLES:
            return
