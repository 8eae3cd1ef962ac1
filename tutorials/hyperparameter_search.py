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
# # Searching for hyperparameters
#
# The quick start trains one small net on scikit-learn's digits, each optimizer with the best of five rates. What if
# width, dropout and the rate's way over the training vary, too? That is too much for a grid. A search of a few short
# trials, each chosen by what the earlier ones brought, finds a net whose validation loss is lower.

# %%
import tempfile

import keras
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import keras_neural_opt as kno

images, labels = load_digits(return_X_y=True)
images, labels = (images / 16).astype("float32"), labels.astype("int32")
# The three parts of the quick start. The last one is for the end.
x, x_test, y, y_test = train_test_split(images, labels, test_size=0.2, random_state=0, stratify=labels)
x, x_val, y, y_val = train_test_split(x, y, test_size=0.25, random_state=0, stratify=y)

EPOCHS, TRIALS = 12, 9
loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def network(units, dropout):
    layers = keras.layers
    parts = [layers.Dense(units, activation="relu"), layers.Dropout(dropout), layers.Dense(10)]
    model = keras.Sequential([keras.Input((64,)), *parts])
    model.compile(kno.optimizers.Adam(), loss, metrics=["accuracy"])
    return model


def search(model, **options):
    return kno.hyperparameter_optimization(
        model, None, (x, y), (x_val, y_val), epochs=EPOCHS, seed=0, directory=tempfile.mkdtemp(), verbose=0, **options
    )


# %% [markdown]
# ## The grid of the quick start
#
# A compiled model is enough. `learning_rate` is set where the model is compiled; other arguments of the optimizer would
# be, too.

# %%
keras.utils.set_random_seed(0)
grid = search(
    network(64, dropout=0.0),
    search_space=[("learning_rate", "categorical", [0.001, 0.003, 0.01, 0.03, 0.1])],
    optimization_method="grid",
)
print(grid)

# %% [markdown]
# ## A space that is too large for one
#
# Now a function builds the model, and asks for what it needs: `units` and `dropout`. What it does not ask for, the
# search sets itself. Trials that do worse than half of the others did by then are stopped early.


# %%
def build(hp):
    return network(hp.get("units"), hp.get("dropout"))


result = search(
    build,
    search_space=[
        ("units", "categorical", [128, 256, 512]),
        ("dropout", "uniform", 0.0, 0.6),
        ("learning_rate", "log_uniform", 1e-3, 3e-2),
        ("schedule", "categorical", ["constant", "cosine"]),
    ],
    max_trials=TRIALS,
)
print(result)
print(kno.format_hyperparameters(result.best_hyperparameters))

# %% [markdown]
# ## What came of it
#
# Each point is a trial, the line the best so far. The best of the grid is dashed.

# %%
figure = result.plot.history()
axes = figure.axes[0]
axes.axhline(grid.best_value, color="#8c8c8c", linestyle="--", label="best of the grid")
axes.legend(frameon=False)
figure

# %% [markdown]
# Which hyperparameter did it? The orange star is the best trial.

# %%
result.plot.slice()

# %% [markdown]
# ## On digits that neither has seen
#
# Both models have the weights of their best epoch. One image of the test part is more than a quarter of a percent, so
# that accuracies of a single training tell little; the loss tells more.

# %%
for name, found in (("grid", grid), ("search", result)):
    test = found.best_model().evaluate(x_test, y_test, verbose=0, return_dict=True)
    print(
        f"{name}: validation loss {found.best_value:.3f}, test loss {test['loss']:.3f}, accuracy {test['accuracy']:.1%}"
    )

# %%
assert result.best_value < grid.best_value
