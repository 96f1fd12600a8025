"""Labels of every head, and which heads the history is long enough for."""

from __future__ import annotations

import numpy as np

from rareevent.config import PipelineConfig
from rareevent.errors import ConfigError
from rareevent.ingestion.frame import Int8, SensorFrame
from rareevent.windowing.curve_shift import Labels, Status, curve_shift

# Share of a validation fold that an auxiliary head's purge may take.
_PURGED_AT_MOST = 0.25


def leave_out_heads(
    frame: SensorFrame, config: PipelineConfig
) -> tuple[PipelineConfig, dict[str, str]]:
    """Auxiliary heads whose horizon would purge more than a quarter of a validation fold are out.

    They help training a little; on a short history their purge would take the events away that
    the threshold is chosen by.
    """
    split, label, clock = config.split, config.label, frame.clock
    if split.strategy != "chronological" or not label.auxiliary or not len(frame):
        return config, {}
    fold = float(np.ptp(frame.time)) * split.validation / split.folds
    most = _PURGED_AT_MOST * fold / max(clock.ticks(label.horizon), 1)
    kept = tuple(multiple for multiple in label.auxiliary if multiple <= most)
    if kept == label.auxiliary:
        return config, {}
    out = ", ".join(f"{multiple:g}" for multiple in label.auxiliary if multiple > most)
    reason = (
        f"{out} left out: more than a quarter of a validation fold"
        f" ({clock.duration_text(fold)}) would be purged for it"
    )
    label = label.model_copy(update={"auxiliary": kept})
    return config.model_copy(update={"label": label}), {"label.auxiliary": reason}


def label_rows(frame: SensorFrame, config: PipelineConfig) -> tuple[Labels, Int8, int]:
    """Labels of every head, and the longest horizon in ticks.

    Returns
    -------
    labels : of the pipeline's own horizon
    targets : int8 [n, 1 + auxiliary heads]
    reach : ticks
    """
    horizon, lead = frame.clock.ticks(config.label.horizon), frame.clock.ticks(config.label.lead)
    if not 0 <= lead <= horizon or horizon <= 0:
        raise ConfigError(
            "label: needs 0 <= lead <= horizon and horizon > 0; received"
            f" lead={config.label.lead!r}, horizon={config.label.horizon!r}"
        )
    if horizon < frame.clock.interval:
        raise ConfigError(
            f"label.horizon: {config.label.horizon!r} is shorter than the step between two rows,"
            f" {frame.clock.duration_text(frame.clock.interval)}; no row could ever be positive"
        )
    labels = curve_shift(frame, horizon, lead)
    horizons = [round(horizon * multiple) for multiple in config.label.auxiliary]
    heads = [labels.target, *(curve_shift(frame, h, lead).target for h in horizons)]
    # A row that is too late for its own horizon teaches no head: it is not trained on.
    usable = (labels.status == Status.LABELLED)[:, None]
    return labels, np.where(usable, np.stack(heads, axis=1), -1), max(horizon, *horizons, 0)
