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
# # A learning rate over a training
#
# A model that does not converge has, more often than anything else, the wrong learning rate. Here one small network
# learns to read digits three times: with a warm-up and a cosine, with one cycle, and with a rate that falls whenever
# validation stops to improve. First of all a range test says how high the rate may be.

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

EPOCHS, BATCH = 15, 32
STEPS = -(-len(training[0]) // BATCH)  # in an epoch


def network(optimizer):
    keras.utils.set_random_seed(0)
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(16, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(32, 3, padding="same", activation="relu"),
            layers.Flatten(),
            layers.Dropout(0.2),
            layers.Dense(10),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer, loss, metrics=["accuracy"])
    return model


# %% [markdown]
# ## How high
#
# `find_learning_rate` takes some steps at ever larger rates and looks at the loss of each. Afterwards the model
# is as new.

# %%
found = kno.find_learning_rate(network(kno.optimizers.AdamW()), training, batch_size=BATCH)
print(found.table())
found.plot()

# %% [markdown]
# The suggestion is a place to begin, good to a small factor. All three trainings get the same top.

# %%
top = found.suggestion
histories = {}


def train(name, optimizer, *callbacks):
    # What the schedules gave goes into the history, beside the losses.
    log = kno.callbacks.LogHyperparameters()
    history = network(optimizer).fit(
        *training, BATCH, EPOCHS, verbose=0, validation_data=validation, callbacks=[*callbacks, log]
    )
    histories[name] = history.history


# %% [markdown]
# ## Warm-up and cosine
#
# The rate climbs for half an epoch, while Adam's averages are young, and then falls along a cosine to zero. Lengths
# may be given in epochs: the callback `ScheduleInEpochs` tells the schedule how many steps one has.

# %%
rate = kno.schedules.Warmup(kno.schedules.CosineAnnealing(top, EPOCHS - 0.5, unit="epoch"), 0.5, unit="epoch")
train("warm-up and cosine", kno.optimizers.AdamW(rate), kno.callbacks.ScheduleInEpochs())

# %% [markdown]
# ## One cycle
#
# Up for a third of the training, down for the rest, to a rate far below that of the start. The momentum, which is
# Adam's `beta_1`, goes the other way: an optimizer of this library takes a schedule nearly wherever it takes a number.

# %%
steps = EPOCHS * STEPS
one_cycle = kno.schedules.OneCycle(top, steps)
train("one cycle", kno.optimizers.AdamW(one_cycle, beta_1=kno.schedules.OneCycleMomentum(steps)))

# %% [markdown]
# ## On a plateau
#
# Nobody needs to know how long the training will be: the rate is halved whenever the validation loss has not improved
# for an epoch.

# %%
plateau = kno.callbacks.ReduceOnPlateau(factor=0.5, patience=1)
train("on a plateau", kno.optimizers.AdamW(top), plateau)

# %% [markdown]
# ## What came of it

# %%
figure, (above, left, right) = plt.subplots(1, 3, figsize=(12, 4), layout="constrained")
panels = (
    (above, "learning_rate", "learning rate"),
    (left, "loss", "training loss"),
    (right, "val_loss", "validation loss"),
)
for axes, quantity, label in panels:
    for name, history in histories.items():
        axes.plot(range(1, EPOCHS + 1), history[quantity], label=name)
    axes.set(xlabel="epoch", ylabel=label)
    axes.spines[["top", "right"]].set_visible(False)
left.set_yscale("log")
right.set_yscale("log")
figure.legend(*above.get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
figure

# %%
for name, history in histories.items():
    accuracy = history["val_accuracy"][-1]
    print(f"{name:<20}{accuracy:.1%} of the held-out digits; last rate {history['learning_rate'][-1]:.2g}")
    assert accuracy > 0.96, name

# The momentum went the other way, and the plateau came.
momentum = histories["one cycle"]["beta_1"]
assert min(momentum) < 0.87 < 0.94 < momentum[-1]
assert histories["on a plateau"]["learning_rate"][-1] < top

# %% [markdown]
# The cosine and the cycle have an end, and are at their best there: a training that is stopped half-way has got little
# from them. A rate that waits for plateaus can be stopped at any time. All of the schedules are on the page
# [Schedules](../schedules.md).
