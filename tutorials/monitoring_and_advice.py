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
# # Monitoring and advice
#
# One evening, and a model that does not converge. What is wrong with it? Here a small network that reads digits is
# spoiled in four ways. The curves and the gradients tell which is which, and `recommend` says how it should have been
# trained.

# %%
import keras
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

import keras_neural_opt as kno

images, labels = load_digits(return_X_y=True)
images = (images / 16).astype("float32")
held_out = np.arange(len(images)) % 4 == 3
training = images[~held_out], labels[~held_out]
validation = images[held_out], labels[held_out]
EPOCHS, BATCH = 20, 32
loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def network(bias=0.0, width=32):
    keras.utils.set_random_seed(0)
    layers = [
        keras.layers.Dense(width, "relu", bias_initializer=keras.initializers.Constant(bias), name="hidden"),
        keras.layers.Dense(10, name="output"),
    ]
    return keras.Sequential([keras.Input((64,)), *layers], name="digits")


def watched(model, optimizer, data=training):
    """Train, and return history, monitor and advisor."""
    monitor = kno.callbacks.TrainingMonitor(every=10)
    advisor = kno.callbacks.LossCurveAdvisor(monitor, verbose=0)
    model.compile(optimizer, loss, metrics=["accuracy"])
    history = model.fit(*data, BATCH, EPOCHS, verbose=0, validation_data=validation, callbacks=[monitor, advisor])
    return history.history, monitor, advisor


# %% [markdown]
# ## Four trainings that went wrong
#
# A rate that is too high; one that is too low; a hidden layer whose units are dead from the beginning; a wide network
# and only eighty samples.

# %%
few = training[0][:80], training[1][:80]
trainings = {
    "rate 2": watched(network(), kno.optimizers.SGD(2.0)),
    "rate 0.0005": watched(network(), kno.optimizers.SGD(5e-4)),
    "dead units": watched(network(bias=-100.0), kno.optimizers.SGD(0.1)),
    "80 samples": watched(network(width=512), kno.optimizers.Adam(1e-2), few),
}
for name, (history, _, advisor) in trainings.items():
    print(f"{name}: {history['val_accuracy'][-1]:.0%} of the held-out digits")
    for finding in advisor.findings:
        print(f"    {finding.problem}: {finding.evidence}.\n    {finding.remedy}")

# %% [markdown]
# The curves alone do not know of dead units: the monitor does, for it has seen that no gradient came.

# %%
trainings["dead units"][1].table()

# %% [markdown]
# ## What the monitor draws
#
# Above the norm of the gradient; below, how much of itself each variable moves in a step. About a thousandth of the
# weights is usual. With the rate of 0.0005 it is less than that, though the gradient is there: the rate is too low.

# %%
trainings["rate 0.0005"][1].plot()

# %% [markdown]
# ## How it should be trained
#
# `recommend` looks at the model, the data and the time that there is. Each choice has its reason.

# %%
model = network()
advice = kno.recommend(model, training, BATCH, budget=EPOCHS)
advice.table()

# %% [markdown]
# The rate is what is usual; `find_learning_rate` finds the one of this network.

# %%
model.compile(kno.optimizers.AdamW(), loss)
found = kno.find_learning_rate(model, training, batch_size=BATCH)
config = kno.create_adamw_config({**advice.optimizer.options, "learning_rate": found.suggestion})
optimizer = kno.create_neural_optimizer(**{**advice.arguments, "config": config})
trainings["recommended"] = watched(model, optimizer)
history, monitor, advisor = trainings["recommended"]
print(f"rate {found.suggestion:.2g}: {history['val_accuracy'][-1]:.1%} of the held-out digits; {advisor.findings}")
kno.regularization.summary(model)

# %% [markdown]
# ## All of them

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
for name, (history, monitor, _) in trainings.items():
    left.plot(range(1, EPOCHS + 1), history["val_loss"], label=name)
    steps = [sample.step for sample in monitor.samples]
    right.plot(steps, [sample.update_ratio or np.nan for sample in monitor.samples], label=name)
left.set(xlabel="epoch", ylabel="validation loss", yscale="log")
right.set(xlabel="step", ylabel="update / weight", yscale="log")
for axes in (left, right):
    axes.spines[["top", "right"]].set_visible(False)
figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=5, frameon=False)
figure

# %%
problems = {name: [finding.problem for finding in advisor.findings] for name, (_, _, advisor) in trainings.items()}
assert problems == {
    "rate 2": ["high learning rate"],
    "rate 0.0005": ["low learning rate"],
    "dead units": ["no learning", "dead layers"],
    "80 samples": ["overfitting"],
    "recommended": [],
}
accuracies = {name: history["val_accuracy"][-1] for name, (history, _, _) in trainings.items()}
assert max(accuracies, key=accuracies.get) == "recommended"
assert accuracies["recommended"] > 0.95

# %% [markdown]
# The rules behind the advice are in [training.diagnose](../api/callbacks.md), each with its numbers: they are rules of
# thumb. The monitor's picture is worth a look in every training; it looks at one step in many.
