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
# # Several workers, and what they send
#
# Two processes train one network on scikit-learn's digits. Each has its own half of every batch, and all take the same
# steps with the mean of their gradients. These travel in two ways: in eight bits, and as matrices of low rank. On two
# machines the program would be the same.
#
# ## The program
#
# Every worker runs it from the first line to the last. `initialize` comes before anything is computed; `shard` gets all
# of the data, and the batch of all workers together.

# %%
import subprocess
import sys
import tempfile
from pathlib import Path

import keras
from IPython.display import SVG, display

import keras_neural_opt as kno

PROGRAM = """
import keras
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import keras_neural_opt as kno

cluster = kno.distributed.initialize()

images, labels = load_digits(return_X_y=True)
images = (images / 16).astype("float32")
x, x_test, y, y_test = train_test_split(images, labels, test_size=0.2, random_state=0, stratify=labels)


def trained(compression):
    keras.utils.set_random_seed(1)
    layers = keras.layers.Dense(256, "relu"), keras.layers.Dense(256, "relu"), keras.layers.Dense(10)
    model = keras.Sequential([keras.Input((64,)), *layers])
    optimizer = kno.distributed.DistributedOptimizer(keras.optimizers.Adam(1e-3), compression=compression)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer, loss, metrics=["accuracy"])
    kno.distributed.distribute(model)
    stats = kno.distributed.CommunicationStats()
    data = kno.distributed.shard(x, y, batch_size=64)
    model.fit(data, epochs=5, verbose=0, callbacks=[stats])
    _, accuracy = model.evaluate(kno.distributed.shard(x_test, y_test, batch_size=360, shuffle=False), verbose=0)
    if cluster.rank == 0:
        print(f"{compression}: {accuracy:.1%} of the test images are right", flush=True)
    return model, stats


for compression in (kno.compression.Int8(), kno.compression.PowerSGD(rank=4)):
    model, stats = trained(compression)

kno.distributed.save(model, "digits.keras")  # all workers together; the first one writes
if cluster.rank == 0:
    stats.plot("sent.svg")
"""

# %% [markdown]
# ## Two processes
#
# The command starts the program twice, puts each worker's rank before what it prints, and stops all of them when one
# fails. In a terminal: `keras-neural-opt launch --nproc 2 train.py`.

# %%
folder = Path(tempfile.mkdtemp())
(folder / "train.py").write_text(PROGRAM)
command = Path(sys.executable).with_name("keras-neural-opt")
options = ["--backend", keras.backend.backend(), "--nproc", "2"]
arguments = [command, "launch", *options, "train.py"]
run = subprocess.run(arguments, cwd=folder, capture_output=True, text=True, check=False)  # noqa: S603 - no shell
print(run.stdout)
assert run.returncode == 0, run.stderr

# %% [markdown]
# The workers end with the same weights, to the last bit. Eight bits send a quarter of the bytes, four ranks still
# fewer; float32 stands beside them. Whether that saves any time depends on the link, and the advice says so: between
# two processes of one machine compression only costs. `CommunicationStats(auto_off=True)` then sends float32 by itself.
#
# What was sent with the last of them, and what waits to be sent, epoch by epoch:

# %%
display(SVG(folder / "sent.svg"))

# %% [markdown]
# ## Going on
#
# The file that was saved goes on with any number of workers, also with one: what waited to be sent is in it, as the
# mean over the workers.

# %%

model = keras.saving.load_model(folder / "digits.keras")
print(kno.distributed.cluster(), model.optimizer.compression, model.optimizer.bytes_sent)

# %% [markdown]
# [Which compression on which link](../distributed_training.md) helps to choose.
