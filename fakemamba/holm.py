"""Many questions at once: p values that take their number into account."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def holm(p_values: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Holm's adjusted p values over the last axis (..., questions).

    Saying yes where the adjusted value is below a level says yes to any question whose answer is no
    with that probability at most, however many there are and however they depend on each other
    (Holm, Scandinavian Journal of Statistics 6, 1979).
    """
    values = np.asarray(p_values, np.float64)
    count = values.shape[-1]
    order = np.argsort(values, axis=-1)
    stepped = np.take_along_axis(values, order, axis=-1) * (count - np.arange(count))
    ascending = np.minimum(np.maximum.accumulate(stepped, axis=-1), 1.0)
    adjusted = np.empty_like(values)
    np.put_along_axis(adjusted, order, ascending, axis=-1)
    return adjusted
