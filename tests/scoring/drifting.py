"""Fleets and tiny bundles whose rows can be made to drift."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pandas as pd

from rareevent.bundle import Bundle
from rareevent.bundle.reference import alarm_reference, drift_reference
from rareevent.config import MonitorStage
from rareevent.ingestion.frame import Clock, Events, Segments, SensorFrame, TextColumn
from rareevent.scoring.drift_counts import Reference, count_rows, drift_reference_of
from rareevent.scoring.drift_report import DriftReport, judge
from rareevent.simulate import GRADES, make_fleet
from tests.bundles import MINUTE, START, tiny_bundle, tiny_config
from tests.frames import make_frame

DAY = 86_400_000_000
HOUR = 60 * MINUTE


def simulated_frame(seed: int, assets: int, days: int) -> SensorFrame:
    """A simulated fleet as one frame without events."""
    fleet = make_fleet(seed=seed, assets=assets, days=days)
    rows = len(fleet.time)
    inside = np.zeros(rows, np.int64)
    return SensorFrame(
        assets=tuple(fleet.assets),
        asset=fleet.asset.astype(np.int32),
        time=fleet.time.astype("M8[us]").astype(np.int64),
        sensors={name: values.astype(np.float64) for name, values in fleet.sensors.items()},
        texts={"grade": TextColumn(fleet.grade.astype(np.int32), GRADES)},
        clock=Clock("datetime", 5 * MINUTE),
        events=Events.none(),
        segments=Segments(inside[:1], inside[:1] + rows, inside, inside.astype(np.int8)),
    )


def reference_of(frame: SensorFrame, rows: np.ndarray, window: str | int = "auto") -> Reference:
    """What rows are compared with that come after some rows of a frame."""
    found = drift_reference(frame, rows, [*frame.sensors, *frame.texts], window)
    bundle = replace(tiny_bundle(), clock=frame.clock, profile={"drift": found})
    reference = drift_reference_of(bundle)
    assert reference is not None
    return reference


def judged_day(
    reference: Reference, frame: SensorFrame, rows: np.ndarray, stage: MonitorStage | None = None
) -> DriftReport:
    """The verdict on the window in which some rows of a frame end."""
    slots = count_rows(reference, frame, rows, np.zeros(len(rows), bool))
    touched = (max(slots), max(slots))
    return judge(reference, stage or MonitorStage(), slots, touched, None)


def monitored_bundle(name: str = "tiny", **monitor) -> Bundle:
    """A bundle that learned from 20 hours of `minutes`, and judges drift hour by hour."""
    config = tiny_config(name=name, monitor={"window": "1h", **monitor})
    table = minutes(0, 1200)
    texts = {"grade": table.grade.tolist()}
    frame = make_frame(
        {"m1": range(0, 1200 * MINUTE, MINUTE)},
        sensors={"s1": table.s1.to_numpy(), "s2": table.s2.to_numpy()},
        texts=texts,
        kind="datetime",
        interval=MINUTE,
    )
    rows = np.ones(1200, bool)
    drift = drift_reference(frame, rows, ("s1", "s2", "grade"), config.monitor.window)
    # The weights were drawn, so the alarms that are expected are those that the model raises.
    drift["alarms"] = alarm_reference(frame.clock, frame.time, np.arange(1200) % 10 == 0, HOUR)
    bundle = tiny_bundle(config)
    return replace(bundle, profile={**bundle.profile, "drift": drift})


def minutes(first: int, rows: int, **change) -> pd.DataFrame:
    """Rows of one asset from a minute on; `change` replaces columns by functions of themselves."""
    draw = np.random.default_rng(first)
    table = pd.DataFrame(
        {
            "when": [START + timedelta(minutes=first + minute) for minute in range(rows)],
            "machine": "m1",
            "s1": draw.normal(10, 2, rows).round(3),
            "s2": draw.normal(-1, 0.1, rows).round(4),
            "grade": draw.choice(["A", "B"], rows),
        }
    )
    for name, changed in change.items():
        table[name] = changed(table[name])
    return table
