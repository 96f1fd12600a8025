"""A simulated fleet as Arrow tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rareevent.simulate.fleet import Fleet
from rareevent.simulate.parameters import ANSWER, GRADES, TRIGGER

if TYPE_CHECKING:
    import pyarrow as pa


def sensor_table(fleet: Fleet) -> pa.Table:
    """Columns asset, time, grade, then the sensors; a missing reading is null."""
    import pyarrow as pa

    columns = {
        "asset": _names(fleet.asset, fleet.assets),
        "time": pa.array(fleet.time),
        "grade": _names(fleet.grade, GRADES),
    }
    readings = {name: pa.array(row, from_pandas=True) for name, row in fleet.sensors.items()}
    return pa.table(columns | readings)


def truth_table(fleet: Fleet) -> pa.Table:
    """One row per event: was it announced, by which sensors, from when, and how long before.

    Columns asset, time, precursor (bool), sensors (list of names, trigger first), and, null
    without a precursor: precursor_start (the trigger's disturbance begins), precursor_complete
    (the answer's begins), lead_min (minutes from then to the event).
    """
    import pyarrow as pa

    truth = fleet.events
    lead = (truth.time - truth.answer) / np.timedelta64(60_000_000, "us")
    return pa.table(
        {
            "asset": _names(truth.asset, fleet.assets),
            "time": pa.array(truth.time),
            "precursor": pa.array(truth.announced),
            "sensors": pa.array(
                [[TRIGGER, ANSWER] if told else [] for told in truth.announced],
                pa.list_(pa.string()),
            ),
            "precursor_start": pa.array(truth.trigger),
            "precursor_complete": pa.array(truth.answer),
            "lead_min": pa.array(lead, from_pandas=True),
        }
    )


def _names(codes: np.ndarray, names: tuple[str, ...]) -> pa.Array:
    import pyarrow as pa

    return pa.DictionaryArray.from_arrays(codes.astype(np.int32), list(names)).cast(pa.string())
