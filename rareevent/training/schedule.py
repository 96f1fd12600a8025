"""How much to train on, how long, and how fast."""

from __future__ import annotations

import math

# Between 100 and 150 gradient steps at 1e-3 held up on every data set with a few dozen events;
# more, or larger ones, learn the training rows by heart, and validation cannot say when to stop.
# A sequence that two hundred events share takes ten times the pace and three times the steps.
FEWEST_STEPS, MOST_STEPS, STEPS_PER_EVENT = 125, 500, 2.5
FEW_EVENTS, MANY_EVENTS = 75, 150
SLOWEST, FASTEST = 1e-3, 1e-2
FEWEST_EPOCHS = 3
# Three epochs of so many windows take minutes; negatives beyond them are more of the same.
MANY_NEGATIVES, FEWEST_PER_POSITIVE = 250_000, 2


def negatives_for(positives: int, per_positive: float) -> int:
    """Most negative windows to train on: so many per positive, and about 250,000 in all.

    Where 2 per positive are more than that, as with tens of thousands of events, 2 per positive.
    Without a bound, three epochs of twenty thousand events' windows would take hours.

    Examples
    --------
    >>> [negatives_for(positives, 50) for positives in (100, 50_000, 200_000)]
    [5000, 250000, 400000]
    """
    bound = max(MANY_NEGATIVES, FEWEST_PER_POSITIVE * positives)
    return min(math.ceil(per_positive * positives), bound)


def steps_for(events: int) -> int:
    """Gradient steps: about 2.5 an event, from 125 to 500.

    Examples
    --------
    >>> [steps_for(events) for events in (20, 100, 20_000)]
    [125, 250, 500]
    """
    return round(min(max(STEPS_PER_EVENT * events, FEWEST_STEPS), MOST_STEPS))


def epochs_for(windows: int, batch_size: int, events: int) -> int:
    """Epochs that make about 2.5 gradient steps an event, from 125 to 500, and at least 3 epochs.

    What matters is how often the weights moved, not how often the data was seen: a fixed number
    of epochs barely moves them on little data. Three epochs at least, so that many rows are not
    seen once only.

    Parameters
    ----------
    windows, batch_size : int, at least 1
    events : int, that the windows teach

    Examples
    --------
    >>> epochs_for(windows=3_000, batch_size=256, events=40)
    10
    >>> epochs_for(windows=20_000, batch_size=256, events=200)
    6
    >>> epochs_for(windows=100_000, batch_size=256, events=40)
    3
    """
    steps_per_epoch = math.ceil(windows / batch_size)
    return max(FEWEST_EPOCHS, round(steps_for(events) / steps_per_epoch))


def learning_rate_for(events: int) -> float:
    """Adam's step: 1e-3 up to 75 events, 1e-2 from 150 on, and in proportion between.

    Adam moves each weight by about this much a step, so it bounds how far the recurrence gets
    from where it starts, which is the linear model. Few events do not warrant going far.

    Examples
    --------
    >>> [round(learning_rate_for(events), 4) for events in (20, 100, 999)]
    [0.001, 0.004, 0.01]
    """
    share = (events - FEW_EVENTS) / (MANY_EVENTS - FEW_EVENTS)
    return SLOWEST + (FASTEST - SLOWEST) * min(max(share, 0.0), 1.0)


def pace_in_words(events: int) -> str:
    """What `auto` makes of so many events in the first training rows, for the resolved pipeline.

    Examples
    --------
    >>> pace_in_words(100)
    '100 events: about 250 steps or 3 epochs, at a rate of 0.004; each fit goes by its own events'
    """
    return (
        f"{events} events: about {steps_for(events)} steps or {FEWEST_EPOCHS} epochs, at a rate of"
        f" {learning_rate_for(events):.2g}; each fit goes by its own events"
    )
