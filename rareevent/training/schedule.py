"""How long to train."""

from __future__ import annotations

import math

# Between 100 and 150 gradient steps held up on every data set it was measured on; with few
# events, more steps learn the training rows by heart and validation cannot say when to stop.
GRADIENT_STEPS = 125
FEWEST_EPOCHS = 3


def epochs_for(windows: int, batch_size: int) -> int:
    """Epochs that make about 125 gradient steps, and at least 3.

    What matters is how often the weights moved, not how often the data was seen: a fixed number
    of epochs barely moves them on little data. Three epochs at least, so that many rows are not
    seen once only.

    Parameters
    ----------
    windows, batch_size : int, at least 1

    Examples
    --------
    >>> epochs_for(windows=3_000, batch_size=256)
    10
    >>> epochs_for(windows=100_000, batch_size=256)
    3
    """
    steps_per_epoch = math.ceil(windows / batch_size)
    return max(FEWEST_EPOCHS, round(GRADIENT_STEPS / steps_per_epoch))
