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
# # Scheduling dropout
#
# Dropout has one rate from the first step to the last. It need not: early on it may only slow a net down, late it may
# be what keeps it from learning its data by heart. Here a wide net learns digits from 400 samples, a fifth of which
# have a wrong label, so that there is something that it had better not learn. It gets five rates over time, and three
# seeds each, because one training says nothing about so small a difference.

# %%
import keras
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

import keras_neural_opt as kno

images, labels = load_digits(return_X_y=True)
images = (images / 16).astype("float32")
order = np.random.default_rng(0).permutation(len(images))
few, held_out = order[:400], order[400:]
# A fifth of what the net learns from is wrong.
wrong = few[: len(few) // 5]
labels[wrong] = (labels[wrong] + np.random.default_rng(1).integers(1, 10, len(wrong))) % 10

EPOCHS, LOOK, BATCH, SEEDS = 40, 4, 32, 3  # A look at the held-out digits after every 4 epochs.
STEPS = EPOCHS * -(-len(few) // BATCH)
RATE = 0.5

# %% [markdown]
# ## Five rates
#
# A number or a schedule: `ScheduledDropout` takes both. `CurriculumDropout` grows to the full rate, `EarlyDropout`
# stops after a third of the training, `LateDropout` begins there.

# %%
schedules = kno.schedules
rates = {
    "none": schedules.Constant(0.0),
    "constant": schedules.Constant(RATE),
    "curriculum": schedules.CurriculumDropout(RATE, STEPS),
    "early": schedules.EarlyDropout(RATE, STEPS // 3),
    "late": schedules.LateDropout(RATE, STEPS // 3),
}


def network(rate):
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((64,)),
            layers.Dense(512, activation="relu"),
            kno.layers.ScheduledDropout(rate, name="dropout"),
            layers.Dense(10),
        ]
    )


def train(rate):
    """Yield the history of a training for each seed."""
    keras.utils.set_random_seed(0)
    model = network(rate)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(kno.optimizers.Adam(1e-3), loss, metrics=["accuracy"])
    # All that a step needs is made before, and so compiled once for all seeds.
    model.optimizer.build(model.trainable_variables)
    model.evaluate(images[few], labels[few], verbose=0)
    start = kno.training.TrainingState.capture(model)
    for seed in range(SEEDS):
        start.restore(model)  # Not a new model, which would be compiled anew.
        keras.utils.set_random_seed(seed)
        model.set_weights(network(rate).get_weights())
        # What the layers used goes into the history, beside the losses.
        log = kno.callbacks.LogHyperparameters()
        validation = images[held_out], labels[held_out]
        history = model.fit(
            images[few], labels[few], BATCH, EPOCHS, validation_data=validation, validation_batch_size=2000,
            validation_freq=LOOK, callbacks=[log], verbose=0,
        )  # fmt: skip
        yield history.history


histories = {name: list(train(rate)) for name, rate in rates.items()}

# %% [markdown]
# ## What came of it


# %%
def mean(name, quantity):
    return np.mean([history[quantity] for history in histories[name]], axis=0)


figure, (above, left, right) = plt.subplots(1, 3, figsize=(12, 4), layout="constrained")
panels = (
    (above, "dropout/rate", "dropout rate"),
    (left, "loss", "training loss"),
    (right, "val_loss", "validation loss"),
)
for axes, quantity, label in panels:
    for name in histories:
        values = mean(name, quantity)
        axes.plot(np.arange(1, len(values) + 1) * (EPOCHS // len(values)), values, label=name)
    axes.set(xlabel="epoch", ylabel=label)
    axes.spines[["top", "right"]].set_visible(False)
left.set_yscale("log")
right.set_yscale("log")
figure.legend(*above.get_legend_handles_labels(), loc="outside lower center", ncols=5, frameon=False)
figure

# %% [markdown]
# The training loss is measured with dropout, so that it jumps where dropout begins or ends.

# %%
for name in histories:
    finals = np.array([[history[q][-1] for q in ("val_loss", "val_accuracy")] for history in histories[name]])
    (loss, accuracy), (loss_error, accuracy_error) = finals.mean(0), finals.std(0, ddof=1) / np.sqrt(SEEDS)
    print(f"{name:<12}loss {loss:.3f} ± {loss_error:.3f}   accuracy {accuracy:.1%} ± {accuracy_error:.1%}")

# %%
# What the layer used is what the schedules say: the last step of each epoch.
last_steps = np.arange(1, EPOCHS + 1) * STEPS // EPOCHS - 1
for name, rate in rates.items():
    assert np.allclose(mean(name, "dropout/rate"), [rate(int(step)) for step in last_steps], atol=1e-6), name

# Where there is dropout at the end, the net has learned fewer of the wrong labels.
for name in ("constant", "curriculum", "late"):
    assert mean(name, "val_loss")[-1] < mean("none", "val_loss")[-1], name
    assert mean(name, "val_accuracy")[-1] > mean("none", "val_accuracy")[-1], name

# %% [markdown]
# Dropout helps where it is on to the end. Whether the rate was there from the start or came later makes less of a
# difference: which of the three is best depends on what one asks for, loss or accuracy, and it would take more seeds
# to say so. What schedules change is the way there: without dropout at first the held-out loss falls sooner.
# `EarlyDropout` was made for the opposite case, much data and a net that is too small for it; one that learns by heart
# it lets go too soon. So begin with a constant rate, and try a schedule where the start is slow. More is on the page
# [Scheduled dropout](../concepts/scheduled_dropout.md).
