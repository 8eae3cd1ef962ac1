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
# two numbers that were marked in a sequence, the task on which clipping was proposed. Then without clipping, with a
# fixed limit, with a limit that finds itself, and with such steps left out.

# %%
import keras
import matplotlib.pyplot as plt
import numpy as np

import keras_neural_opt as kno

LENGTH, SAMPLES, EPOCHS, BATCH = 40, 2048, 12, 32


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
            keras.layers.SimpleRNN(32, activation="relu", recurrent_initializer="identity"),
            keras.layers.Dense(1),
        ]
    )
    optimizer = kno.optimizers.SGD(0.01, momentum=0.9, **options)
    model.compile(optimizer, "mse")
    monitor = kno.callbacks.TrainingMonitor(every=4)
    history = model.fit(
        *training,
        validation_data=validation,
        batch_size=BATCH,
        epochs=EPOCHS,
        verbose=0,
        callbacks=[monitor, keras.callbacks.TerminateOnNaN()],
    )
    return history.history, monitor, optimizer


# %% [markdown]
# ## What the gradients look like
#
# First without anything, but with a `TrainingMonitor`, which looks at every fourth step.

# %%
bare_history, bare_monitor, _ = trained()
norms = np.array([sample.gradient_norm for sample in bare_monitor.samples])
finite = norms[np.isfinite(norms)]
print(f"median norm {np.median(finite):.3g}, largest {finite.max():.3g}, {np.sum(~np.isfinite(norms))} not finite")
[finding.problem for finding in kno.training.diagnose(bare_history)]

# %% [markdown]
# A norm of about one is usual. `global_clipnorm=1.0` scales longer gradients down to it and keeps their direction.
# `AutoClip` takes no limit but a percentile of the norms that it has seen, here the median: half of the steps are
# shortened. `SkipLargeUpdates` leaves a step out altogether.

# %%
transforms = kno.transforms
choices = {
    "global_clipnorm=1": {"global_clipnorm": 1.0},
    "AutoClip(50)": {"gradient_transforms": [transforms.AutoClip(50)]},
    "SkipLargeUpdates(10)": {"gradient_transforms": [transforms.SkipLargeUpdates(10.0)]},
}
results = {"no clipping": (bare_history, bare_monitor)}
for name, options in choices.items():
    history, monitor, optimizer = trained(**options)
    results[name] = history, monitor
    clipped = np.mean([sample.clipped for sample in monitor.samples])
    left_out = sum(int(x.skipped) for x in optimizer.gradient_transforms if hasattr(x, "takes"))
    print(f"{name}: validation error {min(history['val_loss']):.4f}, {clipped:.0%} clipped, {left_out} left out")

# %% [markdown]
# ## Side by side

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
left.semilogy(
    [sample.step for sample in bare_monitor.samples], norms, ".", color="#c0392b", markersize=3, label="no clipping"
)
steps = [sample.step for sample in results["global_clipnorm=1"][1].samples]
left.semilogy(
    steps,
    [sample.gradient_norm for sample in results["global_clipnorm=1"][1].samples],
    ".",
    color="#1f5fa8",
    markersize=3,
    label="before clipping to 1",
)
left.axhline(1.0, color="#1f5fa8", linewidth=1)
left.set(xlabel="step", ylabel="gradient norm", title="The gradients")
left.legend(frameon=False)
for name, (history, _) in results.items():
    right.semilogy(range(1, len(history["val_loss"]) + 1), history["val_loss"], marker="o", markersize=3, label=name)
right.axhline(CHANCE, color="#888888", linestyle=":", label="always 1")
right.set(xlabel="epoch", ylabel="validation error", title="What is learned")
right.legend(frameon=False)
for axes in (left, right):
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
plt.show()
