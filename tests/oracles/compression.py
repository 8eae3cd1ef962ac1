"""What compressors make of vectors, in float64 and element by element, as their papers say it."""

import numpy as np


def int_codes(x, block, largest):
    """Return what arrives of blocks that were rounded to whole numbers up to `largest`."""
    out = np.empty_like(x, dtype="float64")
    for i in range(0, len(x), block):
        part = x[i : i + block].astype("float64")
        scale = np.abs(part).max() / largest
        out[i : i + block] = np.rint(part / scale) * scale if scale else 0.0
    return out


def scaled_signs(x, block):
    """Return the signs of each block times its mean size (Karimireddy et al., 2019)."""
    out = np.empty_like(x, dtype="float64")
    for i in range(0, len(x), block):
        part = x[i : i + block].astype("float64")
        out[i : i + block] = np.where(part >= 0, 1.0, -1.0) * np.abs(part).mean()
    return out


def two_phases(workers, code, block):
    """Return the mean after everyone's part was encoded, averaged by its owner and encoded again."""
    count, length = len(workers), len(workers[0])
    part = -(-length // (count * block)) * block
    padded = [np.pad(np.asarray(x, "float64"), (0, count * part - length)) for x in workers]
    means = []
    for owner in range(count):
        pieces = [code(x[owner * part : (owner + 1) * part].astype("float32")) for x in padded]
        means.append(code(np.mean(pieces, axis=0).astype("float32")))
    return np.concatenate(means)[:length]


def top_k(x, count):
    """Return the vector with all but its `count` largest elements set to 0."""
    out = np.zeros(len(x))
    kept = np.argsort(-np.abs(x), kind="stable")[:count]
    out[kept] = x[kept]
    return out


def deep_gradient_compression(gradients, count, momentum):
    """Return the means of several steps; `gradients[step][worker]` is a vector (Lin et al., 2018, algorithm 4)."""
    workers, length = len(gradients[0]), len(gradients[0][0])
    u, v = np.zeros((workers, length)), np.zeros((workers, length))
    means = []
    for step in gradients:
        sent = np.zeros((workers, length))
        for w, g in enumerate(step):
            u[w] = momentum * u[w] + g
            v[w] = v[w] + u[w]
            sent[w] = top_k(v[w], count)
            chosen = sent[w] != 0
            u[w][chosen] = v[w][chosen] = 0.0
        means.append(sent.mean(axis=0))
    return means


def power_sgd(matrices, q):
    """Return the mean of low rank of the workers' matrices and the next `q` (Vogels et al., 2019, algorithm 1)."""
    q = q / np.linalg.norm(q, axis=0)
    p = np.mean([m @ q for m in matrices], axis=0)
    basis, upper = np.linalg.qr(p)
    basis = basis * np.sign(np.diag(upper))
    new = np.mean([m.T @ basis for m in matrices], axis=0)
    return basis @ new.T, new
