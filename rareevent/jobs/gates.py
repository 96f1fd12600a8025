"""The gates of a trained model at work: on one window, or over all windows of some rows."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rareevent.bundle import Bundle, load_bundle
from rareevent.errors import ConfigError, DataError
from rareevent.evaluation.gate_reading import GateReading, read_gates
from rareevent.evaluation.unit_moves import match_windows
from rareevent.ingestion.exclusions import read_bound
from rareevent.ingestion.frame import Fate, SensorFrame
from rareevent.lstm.cell import Gates, Network, gates
from rareevent.scoring.engine import REASONS, score_frame
from rareevent.scoring.whole import read_whole
from rareevent.tracking.home import Home
from rareevent.tracking.resolve import resolve_model
from rareevent.whole_files import write_files
from rareevent.windowing.curve_shift import curve_shift
from rareevent.windowing.temporalize import Windows, temporalize

# What is shown of a layer, in the order of the equations.
SHOWN = ("input", "forget", "candidate", "output", "state", "hidden")
_NEAREST = 3


@dataclass(frozen=True)
class WindowGates:
    """One window, seen from inside.

    Attributes
    ----------
    model, asset, at : what was asked; `at` is the time of the window's last row
    member : of the ensemble, counted from 1
    probability : that the scorer gives to the last row
    times : of the window's rows, the oldest first; one that stands for missing history repeats
    layers : name -> quantity (input, forget, candidate, output, state, hidden) ->
        float32 [lookback, m]
    """

    model: str
    asset: str
    at: str
    member: int
    probability: float
    times: tuple[str, ...]
    layers: dict[str, dict[str, np.ndarray]]

    def to_json(self) -> dict[str, Any]:
        """Plain data; per layer and quantity a list of steps, each a list of units."""
        plain = {
            layer: {
                name: np.round(values.astype(float), 6).tolist() for name, values in one.items()
            }
            for layer, one in self.layers.items()
        }
        return {**vars(self), "times": list(self.times), "layers": plain}


def window_gates(
    model: str,
    source: str,
    at: str,
    *,
    asset: str | None = None,
    events: str | None = None,
    member: int = 1,
    home: Home | None = None,
) -> WindowGates:
    """Every gate and cell state in the window that ends at a time.

    Parameters
    ----------
    model : URI or bundle directory
    source : file, directory or glob that holds the window's rows
    at : time of its last row, written as the input writes times
    asset : needed where the input holds several
    events : known events, which cut segments
    member : of the ensemble, counted from 1

    Raises
    ------
    ConfigError
        When asset, time or member cannot be found; says what there is.
    DataError, ModelError
        When the input cannot be read, does not fit the model, or the row has no window.
    """
    found = resolve_model(model, home)
    bundle = load_bundle(found.folder)
    network = member_of(bundle, member)
    frame = read_rows(bundle, source, events)
    row = find_row(bundle, frame, at, asset)
    window = find_window(bundle, frame, row, source)
    new = np.zeros(len(frame), bool)
    new[row] = True
    scores = score_frame(bundle, frame, new)
    return WindowGates(
        model=found.uri,
        asset=frame.assets[frame.asset[row]],
        at=frame.clock.text(int(frame.time[row])),
        member=member,
        probability=float(scores.probability[0]),
        times=tuple(frame.clock.text(int(t)) for t in frame.time[window.index()[0]]),
        layers={
            f"lstm_{number}": _only_window(layer)
            for number, layer in enumerate(gates(network, window), start=1)
        },
    )


def gates_over_windows(
    model: str,
    source: str,
    *,
    asset: str | None = None,
    events: str | None = None,
    member: int = 1,
    home: Home | None = None,
) -> tuple[str, GateReading]:
    """Gate statistics over all windows of some rows; with events, which units move before them.

    Returns
    -------
    what the model is known as, and the statistics

    Raises
    ------
    ConfigError, DataError, ModelError
    """
    found = resolve_model(model, home)
    bundle = load_bundle(found.folder)
    network = member_of(bundle, member)
    frame = read_rows(bundle, source, events)
    windows = _windows(bundle, frame)
    if asset is not None:
        windows = windows.take(frame.asset[windows.ends] == _asset_code(frame, asset))
    if not len(windows):
        raise DataError(f"{source}: no row has a window to look into")
    if events is None:
        return found.uri, read_gates(network, windows, None)
    lead = frame.clock.ticks(bundle.config.label.lead)
    labels = curve_shift(frame, bundle.horizon, lead)
    matches = match_windows(frame, labels, windows, labels.target[windows.ends])
    return found.uri, read_gates(network, windows, matches)


def member_of(bundle: Bundle, member: int) -> Network:
    """A member of the ensemble, counted from 1.

    Raises
    ------
    ConfigError
        When there is no such member.
    """
    if not 1 <= member <= len(bundle.networks):
        raise ConfigError(
            f"--member must be 1 to {len(bundle.networks)}, the model's members; received {member}"
        )
    return bundle.networks[member - 1]


def read_rows(bundle: Bundle, source: str, events: str | None) -> SensorFrame:
    """Rows that fit the model, cut into segments as a scoring job would cut them.

    Rows that such a job would reject are left out.

    Raises
    ------
    DataError, ModelError
    """
    return read_whole(bundle, source, events)[0]


def find_row(bundle: Bundle, frame: SensorFrame, at: str, asset: str | None) -> int:
    """The row of an asset at a time.

    Raises
    ------
    ConfigError
        When there is none; names the nearest times, or the assets there are.
    """
    if asset is None and len(frame.assets) > 1:
        raise ConfigError(f"--asset is needed: the input holds {_some(frame.assets)}")
    code = 0 if asset is None else _asset_code(frame, asset)
    first, last = frame.asset_starts[code : code + 2]
    stage = bundle.config.ingest
    tick = read_bound(at, "--at", stage, frame.clock)
    time = frame.time[first:last]
    row = int(np.searchsorted(time, tick))
    if row < len(time) and time[row] == tick:
        return int(first) + row
    near = np.sort(np.argsort(np.abs(time - tick), kind="stable")[:_NEAREST])
    words = ", ".join(frame.clock.text(int(time[n])) for n in near)
    zone = "" if stage.timezone is None else " (UTC)"
    raise ConfigError(f"--at {at}: no row has this time; the nearest are {words}{zone}")


def find_window(bundle: Bundle, frame: SensorFrame, row: int, source: str) -> Windows:
    """The one window that ends at a row.

    Parameters
    ----------
    source : where the rows are from, for the message

    Raises
    ------
    DataError
        When the row has none; says why.
    """
    windows = _windows(bundle, frame)
    window = windows.take(windows.ends == row)
    if not len(window):
        raise DataError(f"{source}: {_why_no_window(bundle, frame, row)}")
    return window


def save_window(shown: WindowGates, folder: str | Path) -> list[Path]:
    """Write a heatmap per layer (`gates_lstm_1.png`, …) and all figures (`gates.csv`).

    Raises
    ------
    OutputError
        When a file cannot be written.
    """
    from rareevent.report.gate_plot import gate_png

    folder = Path(folder)
    contents = {
        f"gates_{name}.png": gate_png(name, layer, shown.times)
        for name, layer in shown.layers.items()
    }
    contents["gates.csv"] = _as_csv(shown).encode()
    return write_files(folder, contents)


def _windows(bundle: Bundle, frame: SensorFrame) -> Windows:
    stage = bundle.config.window
    cut = stage.lookback, stage.pad, stage.min_history
    return temporalize(bundle.encoder.encode(frame), frame.segments, *cut)[0]


def _only_window(layer: Gates) -> dict[str, np.ndarray]:
    return {name: getattr(layer, name)[0] for name in SHOWN}


def _why_no_window(bundle: Bundle, frame: SensorFrame, row: int) -> str:
    at = frame.clock.text(int(frame.time[row]))
    fate = Fate(frame.segments.fate[row])
    if fate in REASONS:
        return f"the row at {at} has no window: it is no part of a segment ({REASONS[fate]})"
    stage = bundle.config.window
    needed = stage.lookback if stage.pad == "none" else stage.min_history
    return f"the row at {at} has no window: its segment has fewer than {needed} rows by then"


def _asset_code(frame: SensorFrame, asset: str) -> int:
    if asset not in frame.assets:
        raise ConfigError(f"--asset {asset}: no row has it; the input holds {_some(frame.assets)}")
    return frame.assets.index(asset)


def _some(names: Sequence[str], most: int = 10) -> str:
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"


def _as_csv(shown: WindowGates) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(("layer", "unit", "step", "time", *SHOWN))
    for name, layer in shown.layers.items():
        steps, units = layer["state"].shape
        for unit in range(units):
            for step in range(steps):
                figures = (f"{layer[quantity][step, unit]:.6g}" for quantity in SHOWN)
                writer.writerow((name, unit + 1, step + 1, shown.times[step], *figures))
    return out.getvalue()
