"""The rows before the test part, as if the others had never been read."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from rareevent.ingestion.frame import Bool, Events, Int64, Segments, SensorFrame, TextColumn
from rareevent.jobs.prepare import Prepared
from rareevent.windowing.curve_shift import NEVER


def before_test(prepared: Prepared) -> Prepared:
    """The rows that come before the test part, purged, and the events they can know of.

    What is fitted or judged on the result cannot reach a test row: none is there. Labels stay as
    they are: no kept row's label looks into the test part.
    """
    keep = prepared.split.rows_before(prepared.split.test)
    frame = _rows_of(prepared.frame, keep)
    known = _events_known(prepared, keep)
    labels = prepared.labels
    # Place of each kept event among the kept; the last place stands for "none".
    place = np.append(np.where(known, np.cumsum(known) - 1, -1), -1)
    event = place[labels.event[keep]].astype(np.int32)
    labels = replace(
        labels,
        target=labels.target[keep],
        status=labels.status[keep],
        event=event,
        time_to_event=np.where(event >= 0, labels.time_to_event[keep], NEVER),
    )
    split = replace(
        prepared.split,
        part=prepared.split.part[keep],
        time=frame.time,
        asset_starts=frame.asset_starts,
    )
    return replace(
        prepared,
        frame=replace(frame, events=_renamed(prepared.frame, keep, known)),
        labels=labels,
        targets=prepared.targets[keep],
        type_targets=prepared.type_targets[keep],
        split=split,
        event_part=prepared.event_part[known],
        fate=prepared.fate[keep],
    )


def _rows_of(frame: SensorFrame, keep: Bool) -> SensorFrame:
    """Some rows of a frame; of a segment those of a stretch. Events stay as they are."""
    old = np.unique(frame.asset[keep])
    asset = np.searchsorted(old, frame.asset[keep]).astype(np.int32)
    starts = np.searchsorted(asset, np.arange(len(old) + 1)).astype(np.int64)
    return replace(
        frame,
        assets=tuple(frame.assets[a] for a in old),
        asset=asset,
        time=frame.time[keep],
        sensors={name: values[keep] for name, values in frame.sensors.items()},
        texts={name: TextColumn(t.codes[keep], t.levels) for name, t in frame.texts.items()},
        segments=_segments_of(frame.segments, keep),
        asset_starts=starts,
    )


def _segments_of(segments: Segments, keep: Bool) -> Segments:
    """Segments of the kept rows, each as long as what is kept of it."""
    old = segments.of_row[keep]
    inside = np.flatnonzero(old >= 0)
    _, first, place, sizes = np.unique(
        old[inside], return_index=True, return_inverse=True, return_counts=True
    )
    of_row: Int64 = np.full(len(old), -1, np.int64)
    of_row[inside] = place
    start = inside[first].astype(np.int64)
    return Segments(start, start + sizes, of_row, segments.fate[keep])


def _events_known(prepared: Prepared, keep: Bool) -> Bool:
    """Events before the test part, of assets that are kept, bool [k]."""
    frame, split = prepared.frame, prepared.split
    known = np.isin(frame.events.asset, frame.asset[keep])
    return known & (frame.events.time < split.edges[-2]) if len(split.edges) else known


def _renamed(frame: SensorFrame, keep: Bool, known: Bool) -> Events:
    """The known events, their assets by their new codes."""
    events = frame.events.take(known)
    return replace(
        events,
        asset=np.searchsorted(np.unique(frame.asset[keep]), events.asset).astype(np.int32),
    )
