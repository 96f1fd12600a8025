"""Evidence for one score of a trained model: what raised it, how that moved, and how good it is."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rareevent.bundle import load_bundle
from rareevent.forecast.encoder import Encoder, SurpriseEncoder
from rareevent.ingestion.frame import Clock, SensorFrame
from rareevent.jobs.gates import find_row, find_window
from rareevent.report.words import Times
from rareevent.scoring.evidence import Evidence, find_evidence
from rareevent.scoring.similar import Similar, SimilarWindow, find_similar
from rareevent.scoring.whole import read_whole
from rareevent.scoring.window_readings import (
    Readings,
    WindowQuality,
    judge_quality,
    level_at,
    read_sensors,
)
from rareevent.tracking.home import Home
from rareevent.tracking.resolve import resolve_model
from rareevent.whole_files import write_files

_MOST_BARS, _MOST_LANES = 12, 3
FILES = ("evidence.png", "evidence.csv")


@dataclass(frozen=True)
class Explanation:
    """One score and the evidence for it.

    Attributes
    ----------
    model, asset, at : what was asked; `at` is the time of the window's last row
    threshold : probability from which the model's policy counts a row toward an alarm
    evidence : Evidence
    times : of the window's distinct rows, the oldest first
    channels : names, as `Evidence.owner` counts them
    readings : sensor -> its readings beside the training rows
    values : sensor -> float64 [r], its readings, NaN where missing
    levels : categorical column -> its level at the last row
    quality : of the window
    similar : past windows that resemble it, and what came of them
    clock, horizon : how time is counted, and how far ahead the model looks, in ticks
    zone : " UTC" where the input has local times, as those told here are UTC; else empty
    left_out : rows of the input that cannot be read, and that a scoring job rejects
    """

    model: str
    asset: str
    at: str
    threshold: float
    evidence: Evidence
    times: tuple[str, ...]
    channels: tuple[str, ...]
    readings: Mapping[str, Readings]
    values: Mapping[str, np.ndarray]
    levels: Mapping[str, str | None]
    quality: WindowQuality
    similar: Similar
    clock: Clock
    horizon: int
    zone: str = ""
    left_out: int = 0

    def to_json(self) -> dict[str, Any]:
        """Plain data; sensors by credit, rows by time."""
        found = self.evidence
        return {
            "model": self.model,
            "asset": self.asset,
            "at": self.at,
            "probability": found.probability,
            "threshold": self.threshold,
            "quiet_probability": found.quiet_probability,
            "logit": found.logit,
            "quiet_logit": found.quiet_logit,
            "rows_left_out": self.left_out,
            "sensors": [self._sensor(int(number)) for number in found.order],
            "rows": [
                {"time": time, "credit": float(credit), "quiet_from_here": float(without)}
                for time, credit, without in zip(
                    self.times, found.row_credit, found.without_from, strict=True
                )
            ],
            "quality": asdict(self.quality),
            "similar": self._similar(),
        }

    def _similar(self) -> dict[str, Any]:
        found, text = self.similar, self.clock.text
        return {
            "compared": found.compared,
            "typical_distance": found.typical,
            "why_none": found.why_none,
            "windows": [
                {
                    "asset": one.asset,
                    "time": text(one.tick),
                    "distance": one.distance,
                    "event_within_horizon": one.is_before_event,
                    "next_event": None if one.ahead is None else text(one.tick + one.ahead),
                    "what_came": self._what_came(one),
                }
                for one in found.windows
            ],
        }

    def _what_came(self, one: SimilarWindow) -> str:
        """In words: an event and how long after, or none within the horizon."""
        times = Times(self.clock.kind)
        if one.is_before_event and one.ahead is not None:
            return f"event {times.span(one.ahead)} later"
        none = f"no event within {times.span(self.horizon)}"
        return none if one.ahead is None else f"{none}; the next {times.span(one.ahead)} later"

    def _sensor(self, number: int) -> dict[str, Any]:
        found = self.evidence
        name = found.owners[number]
        out: dict[str, Any] = {
            "name": name,
            "credit": float(found.credit[number]),
            "without": float(found.without[number]),
            "channels": self._channels(number),
        }
        if name in self.readings:
            out |= asdict(self.readings[name])
        if name in self.levels:
            out["level"] = self.levels[name]
        return out

    def _channels(self, number: int) -> list[dict[str, Any]]:
        """A sensor's channels by credit, each with where it was farthest from its median."""
        found = self.evidence
        mine = np.flatnonzero(found.owner == number)
        mine = mine[np.argsort(-np.abs(found.channel_credit[mine]), kind="stable")]
        return [
            {
                "name": self.channels[channel],
                "credit": float(found.channel_credit[channel]),
                "farthest": float(found.farthest[channel]),
                "at": self.times[found.farthest_row[channel]],
            }
            for channel in mine
        ]


def explain(
    model: str,
    source: str,
    at: str,
    *,
    asset: str | None = None,
    events: str | None = None,
    home: Home | None = None,
) -> Explanation:
    """Evidence for the score of the row at a time.

    Parameters
    ----------
    model : URI or bundle directory
    source : file, directory or glob that holds the window's rows, and those that its channels read
    at : time of its last row, written as the input writes times, or with its offset from UTC
    asset : needed where the input holds several
    events : known events, which cut segments

    Raises
    ------
    ConfigError
        When asset or time cannot be found; says what there is.
    DataError, ModelError
        When the input cannot be read, does not fit the model, or the row has no score.
    """
    found = resolve_model(model, home)
    bundle = load_bundle(found.folder)
    frame, left_out = read_whole(bundle, source, events)
    row = find_row(bundle, frame, at, asset)
    window = find_window(bundle, frame, row, source)
    evidence = find_evidence(bundle, window)
    sensors, texts = _columns(bundle.encoder)
    readings = read_sensors(frame, evidence.row, sensors, bundle.profile)
    mine, tick = frame.assets[frame.asset[row]], int(frame.time[row])
    return Explanation(
        model=found.uri,
        asset=mine,
        at=frame.clock.text(tick),
        threshold=bundle.policy.threshold,
        evidence=evidence,
        times=tuple(frame.clock.text(int(t)) for t in frame.time[evidence.row]),
        channels=bundle.encoder.channels,
        readings=readings,
        values={name: _known(frame, name, evidence.row) for name in sensors},
        levels={name: level_at(frame, name, row) for name in texts},
        quality=judge_quality(frame, evidence.row, window.lookback, readings, texts),
        similar=find_similar(bundle, window, evidence.owner, evidence.credit, mine, tick),
        clock=frame.clock,
        horizon=bundle.horizon,
        zone="" if bundle.config.ingest.timezone is None else " UTC",
        left_out=left_out,
    )


def save_explanation(shown: Explanation, folder: str | Path) -> list[Path]:
    """Write the picture (`evidence.png`) and the credits by sensor and row (`evidence.csv`).

    Raises
    ------
    OutputError
        When a file cannot be written.
    """
    folder = Path(folder)
    contents = dict(zip(FILES, (_picture(shown), _as_csv(shown).encode()), strict=True))
    return write_files(folder, contents)


def _columns(encoder: Encoder) -> tuple[tuple[str, ...], Mapping[str, tuple[str, ...]]]:
    base = encoder.base if isinstance(encoder, SurpriseEncoder) else encoder
    return base.sensors, base.texts


def _known(frame: SensorFrame, name: str, row: np.ndarray) -> np.ndarray:
    values = frame.sensors[name][row]
    return np.where(np.isfinite(values), values, np.nan)


def _picture(shown: Explanation) -> bytes:
    from rareevent.report.evidence_plot import Lane, evidence_png

    found = shown.evidence
    order = found.order[:_MOST_BARS]
    ranked = [found.owners[number] for number in found.order]
    moved = [name for name in ranked if name in shown.readings][:_MOST_LANES]
    asset = f"{shown.asset}, " if shown.asset else ""
    return evidence_png(
        f"{asset}{shown.times[0]} to {shown.at}{shown.zone}:"
        f" probability {found.probability:.1%}, threshold {shown.threshold:.1%},"
        f" were all quiet {found.quiet_probability:.1%}",
        {found.owners[number]: float(found.credit[number]) for number in order},
        found.cells[order],
        shown.times,
        [Lane(name, shown.values[name], shown.readings[name].normal) for name in moved],
        [
            f"similar: {one['asset']}, {one['time']}: {one['what_came']}"
            for one in shown.to_json()["similar"]["windows"]
        ],
    )


def _as_csv(shown: Explanation) -> str:
    found, out = shown.evidence, io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(("sensor", "time", "credit"))
    for number in found.order:
        for time, credit in zip(shown.times, found.cells[number], strict=True):
            writer.writerow((found.owners[number], time, f"{credit:.6g}"))
    return out.getvalue()
