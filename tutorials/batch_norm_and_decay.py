# ---
# jupyter:
#   jupytext:
#     text_representation:
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     name: python3
# ---

# %% [markdown]
# # Weight decay under batch norm
#
# A norm divides the length of the weights before it away. Then what does weight decay do there? Here a small network
# with batch norms learns to read digits, with and without decay, and we look at its kernels.

# %%
import keras
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

import keras_neural_opt as kno

images, labels = load_digits(return_X_y=True)
images = (images / 16).reshape(-1, 8, 8, 1).astype("float32")
held_out = np.arange(len(images)) % 4 == 3
training = images[~held_out], labels[~held_out]
validation = images[held_out], labels[held_out]
BATCH, RATE = 64, 0.1


def network(optimizer):
    keras.utils.set_random_seed(0)
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(16, 3, padding="same", use_bias=False, name="conv_1"),
            layers.BatchNormalization(momentum=0.9, epsilon=1e-6),
            layers.ReLU(),
            layers.MaxPooling2D(),
            layers.Conv2D(32, 3, padding="same", use_bias=False, name="conv_2"),
            layers.BatchNormalization(momentum=0.9, epsilon=1e-6),
            layers.ReLU(),
            layers.Flatten(),
            layers.Dense(10, name="head"),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer, loss, metrics=["accuracy"])
    return model


# %% [markdown]
# ## Which weights
#
# Those that lead into a norm and nowhere else. The library finds them.

# %%
model = network(kno.optimizers.SGD(RATE))
kernels = kno.training.scale_invariant_weights(model)
print([kernel.path for kernel in kernels])
assert [kernel.path.split("/")[-2] for kernel in kernels] == ["conv_1", "conv_2"]

# %% [markdown]
# Ten times as long, they compute the same, once the norms know the statistics of the longer ones. With the weights of
# the last layer it would not work.

# %%
kno.training.recalibrate_batch_norm(model, training[0], BATCH)
before = model.predict(validation[0], verbose=0)
for kernel in kernels:
    kernel.assign(kernel.numpy() * 10.0)
kno.training.recalibrate_batch_norm(model, training[0], BATCH)
change = np.abs(model.predict(validation[0], verbose=0) - before).max()
print(f"the largest logit: {np.abs(before).max():.2f}; its largest change: {change:.1g}")
assert change < 1e-3 * np.abs(before).max()

# %% [markdown]
# ## How fast they turn
#
# Only the direction counts, and a step turns a long kernel less than a short one. `EffectiveLearningRate` watches the
# length, the rate over the squared length, and the angle of a step.

# %%
DECAYS = 0.0, 0.02
watches, scores = {}, {}
for decay in DECAYS:
    model = network(kno.optimizers.SGD(RATE, weight_decay=decay or None, weight_decay_mask="no_norm_no_bias"))
    watch = kno.callbacks.EffectiveLearningRate(every=5)
    recalibrate = kno.callbacks.RecalibrateBatchNorm(training[0], BATCH)
    model.fit(*training, BATCH, epochs=35, verbose=0, callbacks=[watch, recalibrate])
    watches[decay] = {path.split("/")[-2]: record for path, record in watch.history.items()}
    scores[decay] = model.evaluate(*validation, verbose=0)[1]

# %%
figure, panels = plt.subplots(1, 3, figsize=(12, 4), layout="constrained")
quantities = {
    "norm": "length of the second kernel",
    "effective_learning_rate": "effective learning rate",
    "angular_update": "angle of a step (radians)",
}


def smooth(values, width=8):
    """Return the root mean square of every few: batches differ."""
    values = np.asarray(values)[: len(values) // width * width]
    return np.sqrt(np.mean(np.square(values).reshape(-1, width), axis=1))


for axes, (quantity, label) in zip(panels, quantities.items(), strict=True):
    for decay in DECAYS:
        record = watches[decay]["conv_2"]
        axes.plot(smooth(record["step"]), smooth(record[quantity]), label=f"weight decay {decay:g}")
    axes.set(xlabel="step", ylabel=label, yscale="log")
    axes.spines[["top", "right"]].set_visible(False)
equilibrium = watches[DECAYS[1]]["conv_2"]["equilibrium"][-1]
panels[2].axhline(equilibrium, color="#c0392b", linestyle=":", label="equilibrium with decay")
figure.legend(*panels[2].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
figure

# %%
last = {
    decay: {quantity: smooth(record["conv_2"][quantity])[-5:].mean() for quantity in quantities}
    for decay, record in watches.items()
}
for decay in DECAYS:
    values = "  ".join(f"{quantity} {value:.3g}" for quantity, value in last[decay].items())
    print(f"decay {decay:<6g}{values}  accuracy {scores[decay]:.1%}")

# Without decay it only grows, with decay it shrinks, ...
without, with_decay = (watches[decay]["conv_2"]["norm"] for decay in DECAYS)
assert without[-1] > without[0]
assert with_decay[-1] < 0.6 * with_decay[0]
# ... so that it keeps on turning, at an angle of the order that rate and decay set, ...
assert last[DECAYS[1]]["angular_update"] > 4 * last[0.0]["angular_update"]
assert equilibrium / 10 < last[DECAYS[1]]["angular_update"] < 2 * equilibrium
# ... and both have learned the same task.
assert min(scores.values()) > 0.95

# %% [markdown]
# Decay did not make the kernels simpler: it kept their learning rate up. Rate and decay are therefore tuned together.
# More, with several seeds, is on the page [Batch norm and the optimizer](../concepts/batch_norm.md).
