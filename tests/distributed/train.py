"""A program of one or more processes: they train a small model with each compressor and write down what came of it.

    train.py FOLDER [FILE]

With FILE, a model that others have saved, it only trains that one on.
"""

import json
import sys
from pathlib import Path

import keras
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


def own_part(cluster: kno.distributed.Cluster, *arrays: np.ndarray) -> dict:
    """Return arguments of `fit`: this process' part of every batch, but all of it where the engine divides it."""
    if keras.backend.backend() == "tensorflow":
        return {"x": arrays[0], "y": arrays[1], "batch_size": BATCH}
    part = BATCH // cluster.size
    mine = [a.reshape(-1, cluster.size, part, a.shape[-1])[:, cluster.rank].reshape(-1, a.shape[-1]) for a in arrays]
    return {"x": mine[0], "y": mine[1], "batch_size": part}


def model_with(optimizer: keras.optimizers.Optimizer, seed: int = 7) -> keras.Model:
    """Return a compiled model, ready to be distributed."""
    keras.utils.set_random_seed(seed)
    model = keras.Sequential(
        [keras.Input((16,)), keras.layers.Dense(32, activation="tanh"), keras.layers.Dense(1, use_bias=False)]
    )
    model.compile(optimizer, "mse")
    return kno.distributed.distribute(model)


def weights(model: keras.Model) -> list[float]:
    """Return all weights, to the last bit."""
    return np.concatenate([keras.ops.convert_to_numpy(v).ravel() for v in model.trainable_variables]).tolist()


def trained(cluster: kno.distributed.Cluster, folder: Path, name: str) -> dict:
    """Train with one compressor and return what came of it."""
    optimizer = kno.distributed.DistributedOptimizer(kno.optimizers.Adam(0.01), compression=COMPRESSORS[name])
    # Engines that begin alike take the weights of the first process; on JAX Keras refuses others than the same.
    model = model_with(optimizer, 7 + (cluster.rank if keras.backend.backend() == "torch" else 0))
    history = model.fit(**own_part(cluster, *data()), epochs=EPOCHS, shuffle=False, verbose=0)
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
    model.fit(**own_part(cluster, x, y), epochs=1, shuffle=False, verbose=0)
    store: dict[str, np.ndarray] = {}
    optimizer.save_own_variables(store)
    finite = all(np.isfinite(array).all() for array in store.values())
    return {"weights": weights(model), "skipped": int(inner.skipped.numpy()), "finite": finite}


def with_other_gradients(cluster: kno.distributed.Cluster) -> dict:
    """Take a step in which one process alone has a gradient of the second variable, and none has one of the third."""
    variables = [keras.Variable(np.zeros(2, "float32")) for _ in range(3)]
    ones = keras.ops.ones(2)
    optimizer = kno.distributed.DistributedOptimizer(keras.optimizers.SGD(0.1))
    optimizer.apply([ones, ones if cluster.rank == 0 else None, None], variables)
    return {"weights": [float(v.numpy()[0]) for v in variables]}


def trained_on(cluster: kno.distributed.Cluster, file: str) -> dict:
    """Train a model on that others have saved."""
    model = kno.distributed.distribute(keras.saving.load_model(file))
    store: dict[str, np.ndarray] = {}
    model.optimizer.save_own_variables(store)
    model.fit(**own_part(cluster, *data()), epochs=1, shuffle=False, verbose=0)
    return {"residual": store["transform.0"].tolist(), "weights": weights(model)}


def main(folder: str, file: str = "") -> None:
    """Train, and write a file for each process."""
    cluster = kno.distributed.initialize(timeout=300.0)  # four processes begin on few processors
    if file:
        found = trained_on(cluster, file)
    else:
        found = {
            name: trained(cluster, Path(folder), name) for name in COMPRESSORS if cluster.size > 1 or name == "none"
        }
        found["nan"] = with_a_nan(cluster)
        if keras.backend.backend() == "torch":  # elsewhere all processes run the same program
            found["others"] = with_other_gradients(cluster)
    (Path(folder) / f"{cluster.size}_{cluster.rank}{'_on' if file else ''}.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
