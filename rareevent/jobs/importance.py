"""Which sensors a trained model's foresight rests on, asked on the validation folds.

Each fold is asked of the fit that scored it forward, which had not learned from its rows; the test
part is not looked at, so who drops a sensor for what stands here has not chosen by it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from rareevent.blend.blend import mix
from rareevent.evaluation.blocks import event_blocks
from rareevent.evaluation.importance import Fold, find_importance
from rareevent.evaluation.stretches import find_stretches
from rareevent.ingestion.frame import Float64, Int64
from rareevent.jobs.choose import choosing_rows
from rareevent.jobs.learn import LSTM, Learned, PartFit
from rareevent.jobs.prepare import Prepared
from rareevent.scoring.attribution import channel_owners
from rareevent.windowing.temporalize import Windows

# Matched stretches beside each event, fewer where sensors are many; and at most so many windows of
# each stretch.
_MATCHES, _MOST_WINDOWS = (5, 4, 3, 2), 6
# Windows scored in all, about, whatever the number of sensors and events; but never fewer events
# than that, as fewer would say nothing.
_SCORED, _FEWEST_EVENTS = 200_000, 30


def importance_content(prepared: Prepared, learned: Learned) -> dict[str, Any] | None:
    """What the registered model loses where each sensor's courses are exchanged, as plain data.

    A sensor's channels go together: values, changes, volatility, surprise, its missing flag; and
    so do a category's levels. None where no validation event has a matched stretch.
    """
    owners = [channel_owners(fit.part.encoder) for fit in (learned.final, *learned.folds)]
    names = tuple(dict.fromkeys(name for known, _ in owners for name in known))
    most_windows = min(_MOST_WINDOWS, max(prepared.labels.horizon // _interval(prepared), 1))
    fewest = -(-_FEWEST_EVENTS // len(learned.folds))
    matches, events = _affordable(len(names) * most_windows * len(learned.folds), fewest)
    chosen = learned.chosen[learned.model]
    found = find_importance(
        [
            _fold(prepared, learned, fit, _among(names, *mine), (events, most_windows, matches))
            for fit, mine in zip(learned.folds, owners[1:], strict=True)
        ],
        names,
        chosen.policy.threshold,
        lambda asset, time: _blocks(prepared, asset, time),
        confidence=prepared.config.evaluate.confidence,
    )
    return None if found is None else {**found.to_json(), "matches": matches}


def _affordable(each: int, fewest_events: int) -> tuple[int, int]:
    """Matched stretches beside an event, and events of a fold, that keep to what may be scored.

    Parameters
    ----------
    each : windows scored for each event and pair of stretches in its set
    fewest_events : of a fold

    Examples
    --------
    Of 20 sensors with 6 windows, in two folds, and of 300 of them:

    >>> _affordable(20 * 6 * 2, 15), _affordable(300 * 6 * 2, 15)
    ((5, 27), (2, 15))
    """
    for matches in _MATCHES:
        # A set is an event and its matches; each course goes to every other place in it once.
        events = _SCORED // (each * matches * (matches + 1))
        if events >= fewest_events:
            return matches, events
    return _MATCHES[-1], fewest_events


def _blocks(prepared: Prepared, asset: Int64, time: Int64) -> Int64:
    """What is resampled: assets or stretches of time, as where the model is judged."""
    frame = prepared.frame
    return event_blocks(
        asset,
        time,
        frame.clock,
        assets=len(frame.assets),
        lookback=prepared.config.window.lookback,
        horizon=prepared.labels.horizon,
    )


def _interval(prepared: Prepared) -> int:
    return prepared.frame.clock.interval


def _among(names: tuple[str, ...], known: tuple[str, ...], owner: Int64) -> Int64:
    """Owners of one encoder as those of all names."""
    place = np.array([names.index(name) for name in known], np.int64)
    return place[owner]


def _fold(
    prepared: Prepared,
    learned: Learned,
    fit: PartFit,
    owner: Int64,
    most: tuple[int, int, int],
) -> Fold:
    """A fold with at most so many events, windows of a stretch, and matches of an event."""
    most_events, most_windows, matches = most
    windows = fit.part.windows
    windows = windows.take((fit.part.judged_on & choosing_rows(prepared))[windows.ends])
    stretches = find_stretches(
        prepared.frame,
        prepared.labels,
        windows,
        most_events=most_events,
        most_windows=most_windows,
        matches=matches,
    )
    return Fold(windows, stretches, owner, _score(learned, fit))


def _score(learned: Learned, fit: PartFit) -> Callable[[Windows], Float64]:
    """The registered model as this fold's fits make it up, calibrated."""
    weights = learned.weights.get(learned.model, {LSTM: 1.0})
    calibration = learned.chosen[learned.model].calibration

    def score(windows: Windows) -> Float64:
        logits = {n: fit.logits(n, windows) for n, weight in weights.items() if weight > 0}
        return calibration.apply(mix(weights, logits))

    return score
