"""Vectors of which workers send a few elements."""

from typing import Any

from keras import ops

from keras_neural_opt.compression._transport import Transport


def reduce_sparse(x: Any, places: Any, transport: Transport) -> tuple[Any, Any]:
    """Return the mean of what all workers choose, 0 elsewhere, and what it lacks of this worker's vector.

    Args:
        x: This worker's vector.
        places: Its choice, int32; the length of the vector is no place.
        transport: The way to the other workers.
    """
    length = x.shape[0]
    values = at_places(x, places)
    all_places, all_values = transport.gather(places), transport.gather(values)
    total = ops.zeros(length + 1, x.dtype)
    for rank in range(transport.size):  # One after another: of places that several have, the order tells the last bit.
        total = _add(total, all_places[rank], all_values[rank])
    mean = total[:length] / transport.size
    # As it arrives, which may be less than exact.
    sent = ops.take(all_values, transport.rank, axis=0)
    return mean, x - scatter(places, sent, length)


def at_places(x: Any, places: Any) -> Any:
    """Return the elements of a vector at places, 0 for no place.

    Args:
        x: The vector.
        places: Its places, int32; its length is no place.
    """
    return ops.take(ops.pad(x, (0, 1)), places)


def scatter(places: Any, values: Any, length: int) -> Any:
    """Return a vector with the sums of the values at each place, and 0 elsewhere.

    Args:
        places: Places, int32; `length` is no place.
        values: As many floats.
        length: The length of the vector.
    """
    # Places outside of the vector go to an element too many.
    return _add(ops.zeros(length + 1, values.dtype), places, values)[:length]


def _add(vector: Any, places: Any, values: Any) -> Any:
    # Keras' `scatter` is a loop over the elements on torch.
    return ops.scatter_update(vector, places[:, None], values, reduction="add")
