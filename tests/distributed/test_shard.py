"""Each worker's part of every batch, as it is dealt out."""

import keras
import numpy as np
import pytest

import keras_neural_opt as kno
from keras_neural_opt.distributed import _shard

pytestmark = pytest.mark.backend_free


@pytest.fixture
def of_three(monkeypatch: pytest.MonkeyPatch):
    """Return a function of what each of three workers gets in an epoch."""

    def parts(make, epochs: int = 1) -> list[list]:
        found = []
        for rank in range(3):
            monkeypatch.setattr(_shard.engine, "workers", lambda: 3)
            monkeypatch.setattr(_shard.engine, "part", lambda rank=rank: (rank, 3))
            data = make()
            batches = []
            for _ in range(epochs):
                data.on_epoch_begin()
                batches.append(list(data._get_iterator()))
                data.on_epoch_end()
            found.append(batches)
        return found

    return parts


def rows(batches: list) -> list[int]:
    return [int(row) for x, *_ in batches for row in x]


def test_workers_share_every_batch_in_equal_parts(of_three) -> None:
    x = np.arange(20)
    (first,), (second,), (third,) = of_three(lambda: kno.distributed.shard(x, -x, x, batch_size=6, shuffle=False))
    assert [[len(x) for x, *_ in worker] for worker in (first, second, third)] == [[2, 2, 2]] * 3
    assert rows(first) == [0, 1, 6, 7, 12, 13]
    assert rows(third) == [4, 5, 10, 11, 16, 17]
    assert all((y == -x).all() and (w == x).all() for x, y, w in first)


def test_orders_differ_by_epoch_and_are_the_same_for_all(of_three) -> None:
    x = np.arange(20)
    workers = of_three(lambda: kno.distributed.shard({"a": x}, x, batch_size=6, seed=4), epochs=3)
    orders = []
    for epoch in range(3):
        seen = [int(row) for worker in workers for batch in worker[epoch] for row in batch[0]["a"]]
        assert len(seen) == len(set(seen)) == 18
        orders.append(tuple(seen))
    assert len(set(orders)) == 3
    assert {row for order in orders for row in order} == set(range(20))
    other = of_three(lambda: kno.distributed.shard({"a": x}, x, batch_size=6, seed=5))
    assert [int(row) for batch in other[0][0] for row in batch[1]] != [
        int(row) for batch in workers[0][0] for row in batch[1]
    ]


class Counting(keras.utils.PyDataset):
    """Two batches of ten, and one of seven."""

    epochs = 0

    @property
    def num_batches(self) -> int:
        return 3

    def __getitem__(self, index: int):
        x = np.arange(10 * index, 10 * index + (7 if index == 2 else 10))
        return x, -x

    def on_epoch_end(self) -> None:
        self.epochs += 1


def test_a_dataset_is_shared_batch_by_batch(of_three) -> None:
    dataset = Counting()
    workers = of_three(lambda: kno.distributed.shard(dataset, shuffle=False))
    assert rows(workers[1][0]) == [3, 4, 5, 13, 14, 15, 22, 23]
    assert dataset.epochs == 3
    shuffled = of_three(lambda: kno.distributed.shard(Counting(), seed=1), epochs=4)
    assert len({tuple(rows(epoch)) for epoch in shuffled[0]}) > 1


def test_keras_shuffles_none_of_it() -> None:
    x = np.arange(64, dtype="float32")[:, None]
    seen: list[float] = []

    class Watching(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.dense = keras.layers.Dense(1)

        def call(self, x):
            seen.extend(np.asarray(keras.ops.convert_to_numpy(x)).ravel().tolist())
            return self.dense(x)

    model = Watching()
    model.compile("sgd", "mse", jit_compile=False)
    data = kno.distributed.shard(x, x, batch_size=8, seed=2)
    model.fit(data, epochs=2, steps_per_epoch=4, verbose=0)  # two parts of one epoch
    trained = seen[-64:]
    assert sorted(trained) == list(range(64))
    assert trained != sorted(trained)


def test_arrays_are_as_keras_takes_them() -> None:
    x, y = np.ones((8, 2)), np.arange(8) % 2
    ((a, b, w),) = kno.distributed.shard(x, y, batch_size=8, class_weight={0: 3.0, 1: 1.0}).get_numpy_iterator()
    assert (a.dtype, b.dtype) == ("float32", "int64")
    assert sorted(w.tolist()) == [1.0] * 4 + [3.0] * 4

    class WithoutWeights(Counting):
        def __getitem__(self, index: int):
            return *super().__getitem__(index), None

    assert [len(batch) for batch in kno.distributed.shard(WithoutWeights())._get_iterator()] == [2] * 3


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda x: kno.distributed.shard(x, batch_size=7), "shard.batch_size must be a multiple of the 3 workers"),
        (lambda x: kno.distributed.shard(x[:2], batch_size=3), "shard needs a sample for each of 3 workers"),
        (lambda x: kno.distributed.shard(x, x[:9], batch_size=6), r"same number of samples, .* received 9, 20 samples"),
        (lambda x: kno.distributed.shard(np.float32(1), batch_size=6), "shard needs a sample for each"),
        (lambda x: kno.distributed.shard(x, [1, 2], batch_size=6), "takes a list for several arrays"),
        (lambda x: kno.distributed.shard(x, sample_weight=x, batch_size=6), "shard.sample_weight must be None"),
        (lambda x: kno.distributed.shard(Counting(), x), "must be None with a PyDataset"),
        (lambda x: kno.distributed.shard(x, batch_size=0), "shard.batch_size must be an integer >= 1"),
        (lambda x: kno.distributed.shard(x, batch_size=6, seed=-1), "shard.seed must be an integer >= 0"),
    ],
)
def test_what_cannot_be_shared_is_refused(make, says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_shard.engine, "workers", lambda: 3)
    with pytest.raises(ValueError, match=says):
        make(np.arange(20))
