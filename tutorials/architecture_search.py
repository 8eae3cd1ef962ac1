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
# # A small network under a limit of time
#
# A network for scikit-learn's digits has to answer quickly, and to have few weights. How many layers should it have,
# how wide, with which activation? A search tries networks, trains whole only what promises, and does not train at all
# what is too slow.

# %%
import tempfile

from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import keras_neural_opt as kno

images, labels = load_digits(return_X_y=True)
images, labels = (images / 16).astype("float32"), labels.astype("int32")
x, x_test, y, y_test = train_test_split(images, labels, test_size=0.2, random_state=0, stratify=labels)
x, x_val, y, y_val = train_test_split(x, y, test_size=0.25, random_state=0, stratify=y)

# %% [markdown]
# ## A space
#
# Up to three hidden layers, each of its own width. `nas.SearchSpace(genes, build)` is for networks that a function of
# yours builds; `"mobilenet_v3"`, `"resnet"`, `"cell"` and `"transformer"` are there, too.

# %%
space = kno.nas.mlp(
    depths=[1, 2, 3], units=[16, 64, 256, 1024], activations=["relu", "gelu"], dropout_rates=[0.0, 0.3],
    batch_norms=False,
)  # fmt: skip

# %% [markdown]
# ## How fast is fast?
#
# That depends on the machine, so it is measured here: a prediction of one digit by the smallest and by the largest
# network of the space. The limit is midway.

# %%
common = {"activation": "relu", "dropout_rate": 0.0}
smallest = {"depth": 1, "layer_1_units": 16, **common}
largest = {"depth": 3, **{f"layer_{i}_units": 1024 for i in (1, 2, 3)}, **common}
fast, slow = (kno.nas.measure_latency(space.build(each, (64,), 10)) for each in (smallest, largest))
limit = (fast + slow) / 2
print(f"{fast:.2f} ms to {slow:.2f} ms; at most {limit:.2f} ms")

# %% [markdown]
# ## The search
#
# Ten networks, of which each begins with a single epoch and the best third goes on. None has more than 100,000
# weights.

# %%
result = kno.neural_architecture_search(
    (x, y), (x_val, y_val),
    search_space=space, population_size=5, generations=2, epochs=9, batch_size=32,
    optimizer=kno.optimizers.AdamW(3e-3), max_latency_ms=limit, max_params=100_000,
    seed=0, directory=tempfile.mkdtemp(), verbose=0,
)  # fmt: skip
best = kno.get_best_architecture(result)
print(result)
print(kno.describe_architecture(best))
assert best.performance["params"] <= 100_000
assert best.performance["latency_ms"] <= limit

# %% [markdown]
# The network, layer by layer, and how the search came to it:

# %%
result.plot.architecture()

# %%
result.plot.genealogy()

# %% [markdown]
# ## On digits that the search has not seen
#
# `best_model` has the weights of the best epoch. `retrain` trains the network anew, on training and validation data.

# %%
final = result.retrain(epochs=12)
for name, model in (("found", result.best_model()), ("trained on all", final)):
    print(f"{name}: test accuracy {model.evaluate(x_test, y_test, verbose=0)[1]:.1%}")
