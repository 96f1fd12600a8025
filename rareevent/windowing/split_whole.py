"""Parting rows for a refit: some choose, none is held back."""

from __future__ import annotations

import numpy as np

from rareevent.config import SplitStage
from rareevent.ingestion.frame import SensorFrame
from rareevent.windowing.split import Split, clock_edges, split_assets, split_by_clock


def hold_nothing_back(frame: SensorFrame, stage: SplitStage, reach: int, apart: int) -> Split:
    """Part the rows for a refit: validation folds up to the newest row, and no test part.

    The validation folds take the same part of all rows as they take in training of what comes
    before the test part. Nothing is purged at the end of the data: no part follows.

    Parameters
    ----------
    stage : SplitStage, by the clock or by asset
    reach, apart : as for `split_rows`; `apart` is 0 unless `purge: strict`

    Raises
    ------
    DataError
        A part would be empty.

    Examples
    --------
    With validation 0.2 and test 0.2, a quarter of all rows chooses.
    """
    share = stage.validation / (1 - stage.test)
    starts = np.linspace(1 - share, 1, stage.folds + 1)[:-1]
    shares = tuple(round(float(s), 9) for s in starts)
    if stage.strategy == "by_asset":
        return split_assets(frame, (*shares, 1.0, 1.0), stage.seed, reach, apart)
    never = np.full(2, np.iinfo(np.int64).max)
    return split_by_clock(frame, np.concatenate([clock_edges(frame, shares), never]), reach, apart)
