"""A program of one or more processes: they train a small model with each compressor and write down what came of it.

    train.py FOLDER [FILE]

With FILE, a model that others have saved, it only trains that one on.
"""

import json
import sys
from pathlib import Path

import keras
import native
import numpy as np

import keras_neural_opt as kno
from keras_neural_opt import compression as kc

ROWS, BATCH, EPOCHS = 128, 32, 3
COMPRESSORS = {
    "none": None,
    "Cast": kc.Cast(),
    "Int8": kc.Int8(),
    "Int4": kc.Chain(kc.PowerSGD(1), kc.Int4(8)),
    "SignSGD": kc.SignSGD(),
    "QSGD": kc.QSGD(7),
    "TopK": kc.TopK(0.05, warmup_steps=6),
    "RandomK": kc.RandomK(0.2),
    "PowerSGD": kc.PowerSGD(2),
}


def data() -> tuple[np.ndarray, np.ndarray]:
    """Return the whole data set, the same in every process."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((ROWS, 16)).astype("float32")
    return x, (x[:, :3] @ rng.standard_normal((3, 1))).astype("float32")


def shared(x: np.ndarray, y: np.ndarray) -> kno.distributed.ShardedData:
    """Return the data for `fit`, in the order that it has."""
    return kno.distributed.shard(x, y, batch_size=BATCH, shuffle=False)


def plain_model(seed: int, *layers: keras.Layer) -> keras.Model:
    """Return a model that is not compiled."""
    keras.utils.set_random_seed(seed)
    hidden = keras.layers.Dense(32, activation="tanh")
    return keras.Sequential([keras.Input((16,)), hidden, *layers, keras.layers.Dense(1, use_bias=False)])


def model_with(optimizer: keras.optimizers.Optimizer, *layers: keras.Layer, seed: int = 7) -> keras.Model:
    """Return a compiled model, ready to be distributed."""
    model = plain_model(seed, *layers)
    model.compile(optimizer, "mse", metrics=["mae"])
    return kno.distributed.distribute(model)


def weights(model: keras.Model) -> list[float]:
    """Return all weights, to the last bit."""
    return np.concatenate([keras.ops.convert_to_numpy(v).ravel() for v in model.trainable_variables]).tolist()


def trained(cluster: kno.distributed.Cluster, folder: Path, name: str) -> dict:
    """Train with one compressor and return what came of it."""
    optimizer = kno.distributed.DistributedOptimizer(kno.optimizers.Adam(0.01), compression=COMPRESSORS[name])
    # Engines that begin alike take the weights of the first process; on JAX Keras refuses others than the same.
    model = model_with(optimizer, seed=7 + (cluster.rank if keras.backend.backend() == "torch" else 0))
    history = model.fit(shared(*data()), epochs=EPOCHS, verbose=0)
    found = {"weights": weights(model), "loss": history.history["loss"], "bytes": optimizer.bytes_sent}
    if name in ("TopK", "none"):
        kno.distributed.save(model, folder / f"{name}.keras")
        store: dict[str, np.ndarray] = {}
        optimizer.save_own_variables(store)
        found["residual"] = store["transform.0"].tolist() if name == "TopK" else []
    return found


def with_a_nan(cluster: kno.distributed.Cluster) -> dict:
    """Train where one process alone has a number that is none, in one batch."""
    inner = kno.optimizers.Adam(0.01, nonfinite="skip")
    optimizer = kno.distributed.DistributedOptimizer(inner, compression=kc.Int4())
    model = model_with(optimizer)
    x, y = data()
    x[2 * BATCH - 1] = np.nan  # the last row of the second batch, which is the last process'
    model.fit(shared(x, y), epochs=1, verbose=0)
    store: dict[str, np.ndarray] = {}
    optimizer.save_own_variables(store)
    finite = all(np.isfinite(array).all() for array in store.values())
    return {"weights": weights(model), "skipped": int(inner.skipped.numpy()), "finite": finite}


def with_a_shorter_batch() -> dict:
    """Train in another order in each epoch, where the last batch is a shorter one, and judge by such data.

    Of the four batches of an epoch three make a step.
    """
    model = model_with(kno.distributed.DistributedOptimizer(kno.optimizers.SGD(0.05), accumulation_steps=3))
    x, y = data()
    train, judge = (kno.distributed.shard(x[:n], y[:n], batch_size=BATCH, seed=3) for n in (114, 38))
    history = model.fit(train, validation_data=judge, epochs=EPOCHS, verbose=0)
    return {"weights": weights(model), "history": history.history}


def with_a_norm() -> dict:
    """Train with a batch norm, and return what it has seen."""
    norm = keras.layers.BatchNormalization(momentum=0.5)
    norm.trainable = False
    model = model_with(kno.distributed.DistributedOptimizer(kno.optimizers.SGD(0.05)), norm)
    model.fit(shared(*data()), verbose=0)
    norm.trainable = True
    model.compile(kno.distributed.DistributedOptimizer(kno.optimizers.SGD(0.05)), "mse", metrics=["mae"])
    if keras.backend.backend() == "jax":
        kno.distributed.distribute(model)  # elsewhere once is enough
    history = model.fit(shared(*data()), epochs=EPOCHS, verbose=0)
    seen = [keras.ops.convert_to_numpy(v).tolist() for v in norm.non_trainable_variables]
    return {"weights": weights(model), "history": history.history, "seen": seen}


def with_an_own_step() -> dict:
    """Train a model whose step returns more than metrics, by batches whose dropout each worker draws for itself."""

    class Own(keras.Sequential):
        def train_step(self, data):
            return {**super().train_step(data), "rate": 0.5}

    keras.utils.set_random_seed(7)
    dropouts = [keras.layers.Dropout(0.5), keras.layers.Dropout(0.5, seed=3)]
    model = Own([keras.Input((16,)), *dropouts, keras.layers.Dense(1)])
    model.compile(kno.distributed.DistributedOptimizer(kno.optimizers.SGD(0.05)), "mse")
    history = kno.distributed.distribute(model).fit(shared(*data()), epochs=EPOCHS, verbose=0).history
    ones = np.ones((1, 64), "float32")
    drawn = [keras.ops.convert_to_numpy(dropout(ones, training=True)).tolist() for dropout in dropouts]
    return {"history": history, "drawn": drawn}


def by_one_call() -> dict:
    """Train a function's weights by one call, with what `fit` of this library does for workers."""
    x = np.linspace(-1, 1, 66)

    def loss(weights, batch):
        x, y = batch
        a, b, c = (weights["polynomial"][i] for i in range(3))
        return keras.ops.mean((a + b * x + c * x**2 - y) ** 2)

    options = {"validation_data": (x, x), "epochs": 4, "batch_size": 16, "verbose": 2, "distributed": True}
    optimizer = kno.create_neural_optimizer("sgd", learning_rate=0.1, compression=kc.WarmUp(kc.Int4(), 10))
    result = kno.train_neural_network(loss, None, {"polynomial": np.zeros(3)}, (x, 3 * x), optimizer, **options)
    return {"weights": result.weights["polynomial"].tolist(), "history": result.history}


def beside_native(cluster: kno.distributed.Cluster) -> dict:
    """Train a hundred steps with Keras' Adam in ours, and as the engine does by itself."""
    ours = model_with(kno.distributed.DistributedOptimizer(keras.optimizers.Adam(0.01)))
    ours.fit(shared(*data()), epochs=25, verbose=0)
    natives = [plain_model(7) for _ in range(2)]
    for model in natives:
        model.compile(keras.optimizers.Adam(0.01), "mse")
    native.train(cluster, natives[0], *data(), epochs=25)
    fails = native.fit_fails(natives[1], *data()) if keras.backend.backend() == "tensorflow" else ""
    return {"ours": weights(ours), "native": weights(natives[0]), "fit_fails": fails}


def with_other_gradients(cluster: kno.distributed.Cluster) -> dict:
    """Take a step in which one process alone has a gradient of the second variable, and none has one of the third."""
    variables = [keras.Variable(np.zeros(2, "float32")) for _ in range(3)]
    ones = keras.ops.ones(2)
    optimizer = kno.distributed.DistributedOptimizer(keras.optimizers.SGD(0.1))
    optimizer.apply([ones, ones if cluster.rank == 0 else None, None], variables)
    optimizer.apply([None, ones if cluster.rank == 0 else None, None], variables)  # all of them in one process alone
    moved = [float(v.numpy()[0]) for v in variables]
    try:
        optimizer.apply([None] * 3, variables)
    except ValueError as error:
        moved.append(str(error))
    # Of several processes none sends its gradients twice.
    model = native.wrapped_by_keras(plain_model(7))
    model.compile(kno.distributed.DistributedOptimizer("sgd"), "mse")
    kno.distributed.distribute(model).fit(shared(*data()), verbose=0)
    return {"moved": moved, "is_plain": model.ddp_model is model, "own_step": with_an_own_step()}


def trained_on(cluster: kno.distributed.Cluster, folder: Path, file: str) -> dict:
    """Train a model on that others have saved, and save it for others."""
    model = kno.distributed.distribute(keras.saving.load_model(file))
    before: dict[str, np.ndarray] = {}
    after: dict[str, np.ndarray] = {}
    model.optimizer.save_own_variables(before)
    model.fit(shared(*data()), epochs=1, verbose=0)
    model.optimizer.save_own_variables(after)
    kno.distributed.save(model, folder / f"on_{cluster.size}.keras")
    residuals = [store["transform.0"].tolist() for store in (before, after)]
    return {"residuals": residuals, "weights": weights(model)}


def main(folder: str, file: str = "") -> None:
    """Train, and write a file for each process."""
    cluster = kno.distributed.initialize(timeout=300.0)  # four processes begin on few processors
    if file:
        found = trained_on(cluster, Path(folder), file)
    else:
        found = {
            name: trained(cluster, Path(folder), name) for name in COMPRESSORS if cluster.size > 1 or name == "none"
        }
        found |= {"nan": with_a_nan(cluster), "shorter": with_a_shorter_batch(), "norm": with_a_norm()}
        found["one_call"] = by_one_call()
        if cluster.size > 1:
            found["beside"] = beside_native(cluster)
        if keras.backend.backend() == "torch" and cluster.size > 1:  # elsewhere all run the same program
            found["others"] = with_other_gradients(cluster)
    (Path(folder) / f"{cluster.size}_{cluster.rank}{'_on' if file else ''}.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
