"""The parts that are learned for: the rows that teach, as channels and windows, and who judges."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rareevent.errors import TrainingError
from rareevent.forecast.encoder import Encoder
from rareevent.ingestion.frame import Bool, Int8
from rareevent.jobs.prepare import Prepared
from rareevent.training.forecast import fit_surprise
from rareevent.windowing.fit_encode import fit_encoder
from rareevent.windowing.temporalize import Windows, temporalize


@dataclass(frozen=True)
class Part:
    """A part to be judged, as seen through what was learned from the rows before it.

    Attributes
    ----------
    number : of the judged part
    encoder : channels and scaling
    windows : over every row of the frame that has one
    teach, target : windows that teach, and their labels, int8 [m, heads + types of events]
    monitor : windows of the judged part and their own labels, to be watched while training
    learned_from, judged_on : bool [n], rows, for the audit: the very masks that were used
    """

    number: int
    encoder: Encoder
    windows: Windows
    teach: Windows
    target: Int8
    monitor: tuple[Windows, Int8] | None
    learned_from: Bool
    judged_on: Bool

    @property
    def windowed(self) -> Bool:
        """Rows that have a window, bool [n]."""
        found = np.zeros(len(self.learned_from), bool)
        found[self.windows.ends] = True
        return found


def window_part(prepared: Prepared, part: int, learn_for: int | None = None) -> Part:
    """Channels, scaling and windows learned from the rows before a part.

    Parameters
    ----------
    learn_for : learn only from rows before this earlier part

    Raises
    ------
    TrainingError
        When positive rows could teach, and none of them has a window.
    """
    config, frame = prepared.config, prepared.frame
    learned_from = prepared.split.rows_before(learn_for or part) & prepared.in_segment
    judged_on = prepared.split.rows_of(part) & prepared.in_segment
    encoder = _fit_channels(prepared, learned_from)
    windows, _ = temporalize(
        encoder.encode(frame),
        frame.segments,
        config.window.lookback,
        config.window.pad,
        config.window.min_history,
    )
    target = prepared.learned_targets[windows.ends]
    teach = (learned_from & prepared.labelled)[windows.ends]
    _require_positive(prepared, learned_from & prepared.labelled, windows)
    watch = (judged_on & prepared.labelled)[windows.ends]
    # Nothing may be watched on the test part, not even for show.
    watched = part != prepared.split.test and watch.any()
    return Part(
        number=part,
        encoder=encoder,
        windows=windows,
        teach=windows.take(teach),
        target=target[teach],
        monitor=(windows.take(watch), target[watch, 0]) if watched else None,
        learned_from=learned_from,
        judged_on=judged_on,
    )


def _require_positive(prepared: Prepared, teach: Bool, windows: Windows) -> None:
    """Refuse where it is for want of history that nothing positive can be learned."""
    positive = teach & (prepared.labels.target == 1)
    if not positive.any() or positive[windows.ends].any():
        return
    window = prepared.config.window
    raise TrainingError(
        f"none of the {positive.sum()} positive rows to learn from has a window: with"
        f" window.lookback {window.lookback}, window.pad {window.pad} and window.min_history"
        f" {window.min_history}, their segments are too short by then; shorten it, or set"
        " window.pad: first and window.min_history: 1"
    )


def normal_rows(targets: Int8, rows: Bool) -> Bool:
    """Those of some rows that are known to be further from their next event than any horizon.

    Parameters
    ----------
    targets : int8 [n, heads], labels by the own and every auxiliary horizon, -1 for unknown
    rows : bool [n]
    """
    quiet: Bool = np.all(targets == 0, axis=1)
    return rows & quiet


def _fit_channels(prepared: Prepared, learned_from: Bool) -> Encoder:
    """Channels and scaling from the rows that teach, surprise from the normal ones of them."""
    frame, config = prepared.frame, prepared.config
    encoder = fit_encoder(frame, learned_from, config.channels)
    if not config.channels.surprise:
        return encoder
    normal, seed = normal_rows(prepared.targets, learned_from), config.train.seed
    return fit_surprise(frame, encoder, learned_from, normal, config.channels, seed=seed)
