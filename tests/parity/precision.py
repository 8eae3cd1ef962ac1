"""How near a reference's steps must be, by the dtype of the variables.

Learning rates are powers of two: Keras holds a rate in float32, where 0.01 is off by 2e-8 of its size.
"""

from tests.contracts.running import BACKEND

# On the other backends a rule's scalars are float32 tensors.
PRECISIONS = [("float32", 1e-5), *([("float64", 1e-10)] if BACKEND == "torch" else [])]
