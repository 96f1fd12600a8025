"""Small SensorFrames written out by hand, for tests of time and index logic."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import numpy as np

from rareevent.ingestion.frame import Clock, Events, Fate, Segments, SensorFrame, TextColumn


def make_segments(ranges: Sequence[tuple[int, int]], rows: int, event_rows=()) -> Segments:
    """Segments over half-open row ranges; all other rows are events."""
    of_row = np.full(rows, -1, np.int64)
    for number, (low, high) in enumerate(ranges):
        of_row[low:high] = number
    fate = np.where(of_row >= 0, Fate.IN_SEGMENT, Fate.EVENT).astype(np.int8)
    start, stop = (np.array([r[k] for r in ranges], np.int64) for k in (0, 1))
    return Segments(start, stop, of_row, fate)


def make_frame(
    times: Mapping[str, Sequence[int]],
    *,
    segments: Sequence[tuple[int, int]] | None = None,
    events: Sequence[tuple[str, int]] = (),
    sensors: Mapping[str, Sequence[float]] | None = None,
    texts: Mapping[str, Sequence[str]] | None = None,
    kind: str = "age",
    interval: int = 1,
) -> SensorFrame:
    """A frame from times per asset (in ticks) and whatever else a test needs.

    Without `segments`, each asset's rows are one segment.
    """
    assets = tuple(sorted(times))
    sizes = [len(times[a]) for a in assets]
    starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    rows = int(starts[-1])
    if segments is None:
        segments = [(int(a), int(b)) for a, b in itertools.pairwise(starts)]
    known = sorted((assets.index(a), t) for a, t in events)
    columns = {name: np.asarray(v, np.float64) for name, v in (sensors or {}).items()}
    return SensorFrame(
        assets=assets,
        asset=np.repeat(np.arange(len(assets)), sizes).astype(np.int32),
        time=np.concatenate([np.asarray(times[a], np.int64) for a in assets]),
        sensors=columns or {"s": np.arange(rows, dtype=np.float64)},
        texts={name: _text(values) for name, values in (texts or {}).items()},
        clock=Clock(kind, interval),
        events=Events(
            np.array([a for a, _ in known], np.int32),
            np.array([t for _, t in known], np.int64),
            np.zeros(len(known), np.int32),
        ),
        segments=make_segments(segments, rows),
        asset_starts=starts,
    )


def _text(values: Sequence[str]) -> TextColumn:
    levels = tuple(sorted(set(values)))
    return TextColumn(np.array([levels.index(v) for v in values], np.int32), levels)
