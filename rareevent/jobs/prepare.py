"""From a pipeline to rows that carry labels, parts and events: all that learning needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from rareevent.config import PipelineConfig
from rareevent.errors import DataError
from rareevent.ingestion import Quality, ingest, resolve_stage
from rareevent.ingestion.frame import Bool, Fate, Int8, Segments, SensorFrame
from rareevent.jobs.labels import label_rows, leave_out_heads
from rareevent.training.schedule import pace_in_words
from rareevent.windowing.curve_shift import Labels, Status
from rareevent.windowing.drift import choose_channels
from rareevent.windowing.encode import channel_memory
from rareevent.windowing.event_types import (
    choose_types,
    require_types,
    type_targets,
    untaught_types,
)
from rareevent.windowing.split import UNUSED, EventPart, Split, part_of_events, split_rows


@dataclass(frozen=True)
class Prepared:
    """Rows of one source, labelled and parted; nothing has been learned yet.

    Attributes
    ----------
    config : the pipeline
    frame, quality : what ingestion found
    labels : labels of the pipeline's own horizon
    targets : int8 [n, heads], labels of the own horizon and of each auxiliary one, -1 for none
    split : parts of the rows
    event_part : int8 [k], the `EventPart` of every event
    fate : int8 [n], the `Fate` of every row
    reasons : key of the pipeline that was `auto` -> what it became and why
    type_targets : int8 [n, K], the type of the event that a positive row awaits, among the K that
        `model.types` names: 1 for it, 0 for the others; -1 on all other rows
    """

    config: PipelineConfig
    frame: SensorFrame
    quality: Quality
    labels: Labels
    targets: Int8
    split: Split
    event_part: Int8
    fate: Int8
    reasons: Mapping[str, str]
    type_targets: Int8

    @property
    def learned_targets(self) -> Int8:
        """What every head of a model learns, int8 [n, heads + K]: targets, then types."""
        return np.hstack([self.targets, self.type_targets])

    @property
    def in_segment(self) -> Bool:
        """Rows that belong to a segment, bool [n]."""
        inside: Bool = self.labels.status != Status.NO_SEGMENT
        return inside

    @property
    def labelled(self) -> Bool:
        """Rows whose own label is known, bool [n]."""
        known: Bool = self.labels.status == Status.LABELLED
        return known

    @property
    def receptive_field(self) -> int:
        """Rows before a row that its window and channels may read."""
        return receptive_field(self.config)


def receptive_field(config: PipelineConfig) -> int:
    """Rows before a row that its window and the longest channel may read."""
    return config.window.lookback - 1 + channel_memory(config.channels)


def prepare(config: PipelineConfig) -> Prepared:
    """Ingest, label and part the rows of a pipeline.

    Raises
    ------
    DataError
        When the source breaks the data contract.
    ConfigError
        When a setting does not fit the data.
    """
    return arrange(config, *ingest(config.ingest))


def arrange(config: PipelineConfig, frame: SensorFrame, quality: Quality) -> Prepared:
    """Label and part rows that were ingested before; see `prepare`."""
    stage = resolve_stage(config.ingest, frame, quality)
    config, reasons = leave_out_heads(frame, config.model_copy(update={"ingest": stage}))
    labels, targets, reach = label_rows(frame, config)
    split = split_rows(frame, config.split, reach, receptive_field(config))
    part, fate = part_of_events(frame, split, labels.horizon, labels.lead), frame.segments.fate
    if config.split.strategy == "random_leaky":
        frame = _without_gaps(frame)
    types = type_targets(frame.events, labels, config.model.type_names)
    return Prepared(config, frame, quality, labels, targets, split, part, fate, reasons, types)


def _without_gaps(frame: SensorFrame) -> SensorFrame:
    """One segment per asset, as in the published protocol, whose windows run across stoppages.

    Rows that had no segment stay without a label, and so teach and judge nothing.
    """
    start, stop = frame.asset_starts[:-1], frame.asset_starts[1:]
    fate = np.full(len(frame), Fate.IN_SEGMENT, np.int8)
    return replace(frame, segments=Segments(start, stop, frame.asset.astype(np.int64), fate))


def repart(prepared: Prepared, split: Split) -> Prepared:
    """The same rows under another split, as for a fold of a backtest."""
    labels = prepared.labels
    part = part_of_events(prepared.frame, split, labels.horizon, labels.lead)
    return replace(prepared, split=split, event_part=part)


def fill_auto(prepared: Prepared) -> Prepared:
    """Replace every `auto` of the pipeline by what the first training rows say, with the reason.

    They are the rows that every fold learns from, so nothing that is judged has a say in it.
    """
    return _explain_pace(_fill_types(_fill_channels(prepared)))


def _explain_pace(prepared: Prepared) -> Prepared:
    """Steps and rate stay `auto`: a refit has more events to go by. The resolved file says so."""
    if prepared.config.train.epochs != "auto":
        return prepared
    events = int(_events_taught(prepared).sum())
    return replace(prepared, reasons={**prepared.reasons, "train.epochs": pace_in_words(events)})


def _fill_types(prepared: Prepared) -> Prepared:
    """Choose types where that is `auto`; where they are named, see that the events have them."""
    config, events, labels = prepared.config, prepared.frame.events, prepared.labels
    if config.model.type_names:
        return _check_types(prepared, config.model.type_names)
    if config.model.types != "auto" or len(events.kinds) < 2:
        return prepared
    choice = choose_types(events, _events_taught(prepared))
    model = config.model.model_copy(update={"types": choice.names or "off"})
    return replace(
        prepared,
        config=config.model_copy(update={"model": model}),
        reasons={**prepared.reasons, "model.types": choice.reason},
        type_targets=type_targets(events, labels, choice.names),
    )


def _check_types(prepared: Prepared, names: tuple[str, ...]) -> Prepared:
    events = prepared.frame.events
    require_types(events, names)
    untaught = untaught_types(events, _events_taught(prepared), names)
    if not untaught:
        return prepared
    reason = (
        f"no event of type {', '.join(untaught)} in the first training rows, so that no fold learns"
        " its signs"
    )
    return replace(prepared, reasons={**prepared.reasons, "model.types": reason})


def _events_taught(prepared: Prepared) -> Bool:
    """Events with a positive row among the first training rows, bool [k]."""
    labels = prepared.labels
    rows = prepared.split.rows_before(1) & prepared.in_segment & (labels.target == 1)
    taught = np.zeros(len(prepared.frame.events), bool)
    taught[labels.event[rows]] = True
    return taught


def _fill_channels(prepared: Prepared) -> Prepared:
    config = prepared.config
    if config.channels.use != "auto":
        return prepared
    rows = prepared.split.rows_before(1) & prepared.in_segment
    choice = choose_channels(prepared.frame, rows)
    channels = config.channels.model_copy(update={"use": choice.use})
    reason, texts = choice.reason, prepared.frame.texts
    if texts and "value" not in choice.use:
        reason += f"; categories are levels too, so {', '.join(texts)} are left out"
    return replace(
        prepared,
        config=config.model_copy(update={"channels": channels}),
        reasons={**prepared.reasons, "channels.use": reason},
    )


def dropped_rows(prepared: Prepared, windowed: Bool) -> dict[str, int]:
    """Rows that neither taught nor were judged, each under the one reason that comes first.

    Parameters
    ----------
    windowed : bool [n], rows that have a window
    """
    split, status = prepared.split, prepared.labels.status
    fates = [fate for fate in Fate if fate is not Fate.IN_SEGMENT]
    reasons = {fate.name.lower(): prepared.fate == fate for fate in fates}
    reasons |= {
        "unused": split.part == UNUSED,
        "too_late": status == Status.TOO_LATE,
        "censored": status == Status.CENSORED,
        "short_history": ~windowed,
        "purged": split.purged(split.test),
    }
    left, counts = np.ones(len(status), bool), {}
    for name, rows in reasons.items():
        counts[name] = int((left & rows).sum())
        left &= ~rows
    return counts


def require_events(prepared: Prepared) -> None:
    """Refuse data that cannot be learned from.

    Raises
    ------
    DataError
        Where no event lies in the training part.
    """
    part = prepared.event_part
    teaching = int(np.isin(part, (EventPart.TRAIN, EventPart.VALIDATION)).sum())
    split = prepared.split
    positive = prepared.labels.target == 1
    if split.strategy == "random_leaky" or (positive & split.rows_before(1)).any():
        return
    if (positive & (split.part == 0)).any():
        reach = prepared.frame.clock.duration_text(split.reach)
        raise DataError(
            "no event can be learned from: every positive row of the first training rows is purged,"
            f" as the longest horizon in use is {reach}; shorten label.horizon, take smaller"
            " label.auxiliary, set split.purge: horizon where it is strict, or use more data"
        )
    raise DataError(
        f"no event can be learned from: of {len(part)} events {teaching} lie before the test part"
        " and none leaves a positive row in the first training rows; use more data, a longer"
        " label.horizon or smaller split.validation and split.test"
    )
