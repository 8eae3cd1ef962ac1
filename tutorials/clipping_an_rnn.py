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
# # Clipping an RNN
#
# Gradients through time are products of many matrices: once in a while one is a thousand times as long as the others,
# and a single step along it undoes what hundreds of steps have learned. Here a plain recurrent network learns to add
# two numbers that were marked in a sequence, the task on which clipping was proposed: without clipping, with a fixed
# limit, and with a limit that finds itself.

# %%
import keras
import matplotlib.pyplot as plt
import numpy as np

import keras_neural_opt as kno

LENGTH, SAMPLES, EPOCHS, BATCH = 20, 2048, 20, 32


def adding_problem(samples, seed):
    """Return sequences of (number, mark) and the sum of the two numbers that are marked."""
    rng = np.random.default_rng(seed)
    numbers = rng.uniform(size=(samples, LENGTH))
    marks = np.zeros((samples, LENGTH))
    rows = np.arange(samples)
    marks[rows, rng.integers(0, LENGTH // 2, samples)] = 1
    marks[rows, rng.integers(LENGTH // 2, LENGTH, samples)] = 1
    x = np.stack([numbers, marks], axis=-1).astype("float32")
    return x, (numbers * marks).sum(axis=1, keepdims=True).astype("float32")


training, validation = adding_problem(SAMPLES, seed=0), adding_problem(512, seed=1)
# Who always says 1 has this error.
CHANCE = float(np.mean((validation[1] - 1.0) ** 2))


def trained(**options):
    """Train with these options of the optimizer; return history and monitor."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((LENGTH, 2)),
            keras.layers.SimpleRNN(
                32,
                activation="relu",
                kernel_initializer=keras.initializers.RandomNormal(stddev=0.03),
                recurrent_initializer="identity",
            ),
            keras.layers.Dense(1),
        ]
    )
    optimizer = kno.optimizers.SGD(0.01, momentum=0.9, **options)
    model.compile(optimizer, "mse")
    monitor = kno.callbacks.TrainingMonitor(every=4)
    history = model.fit(*training, BATCH, EPOCHS, verbose=0, validation_data=validation, callbacks=[monitor])
    return history.history, monitor


# %% [markdown]
# ## What the gradients look like
#
# First without anything, but with a `TrainingMonitor`, which looks at every fourth step.

# %%
results = {"no clipping": trained()}
norms = np.array([sample.gradient_norm for sample in results["no clipping"][1].samples])
print(f"half of the norms are below {np.median(norms):.2g}, the largest is {norms.max():.3g}")
results["no clipping"][1].plot()

# %% [markdown]
# Most gradients are short, and a few are a hundred times as long. `diagnose` reads the loss curve and says what it
# sees, with the numbers.

# %%
for finding in kno.training.diagnose(results["no clipping"][0]):
    print(f"{finding.problem}: {finding.evidence}. {finding.remedy}")

# %% [markdown]
# ## Two ways to clip
#
# `global_clipnorm=1.0` scales a longer gradient down to that norm and keeps its direction. `AutoClip` wants no limit
# but a percentile of the norms that it has seen, here the median. Both look at the norm of all gradients together, so
# that the step still goes where the loss falls.

# %%
results["global_clipnorm=1"] = trained(global_clipnorm=1.0)
results["AutoClip(50)"] = trained(gradient_transforms=[kno.transforms.AutoClip(50)])
for name, (history, monitor) in results.items():
    clipped = np.mean([sample.clipped for sample in monitor.samples])
    print(f"{name:<18} best validation error {min(history['val_loss']):.3f}, {clipped:.0%} of the samples clipped")

# %% [markdown]
# ## Side by side

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
for name, (history, monitor) in results.items():
    steps = [sample.step for sample in monitor.samples]
    left.plot(steps, [sample.gradient_norm for sample in monitor.samples], ".", markersize=3, label=name)
    right.plot(range(1, EPOCHS + 1), history["val_loss"], label=name)
right.axhline(CHANCE, color="#888888", linestyle=":", label="always 1")
left.set(xlabel="step", ylabel="gradient norm before clipping", yscale="log")
right.set(xlabel="epoch", ylabel="validation error", yscale="log")
for axes in (left, right):
    axes.spines[["top", "right"]].set_visible(False)
figure.legend(*right.get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False)
figure

# %%
best = {name: min(history["val_loss"]) for name, (history, _) in results.items()}
assert best["no clipping"] > 0.7 * CHANCE, best
assert best["global_clipnorm=1"] < 0.5 * CHANCE, best
assert best["AutoClip(50)"] < 0.5 * CHANCE, best
assert norms.max() > 50 * np.median(norms)

# %% [markdown]
# Without clipping the network learns to say the mean and nothing more, and its gradients become small: the numbers do
# not reach the end. With clipping it learns the sum, and the gradients that it meets stay long: what carries the
# numbers to the end makes them long.
#
# Where spikes come from single bad batches, leave those out instead: `transforms.SkipLargeUpdates`, with a limit that
# the monitor's picture shows, and `transforms.SkipNonFinite` for NaN. All transforms are on the page
# [Gradient transforms](../api/transforms.md).
