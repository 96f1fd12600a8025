"""What the simulated machines are made of, and what makes a fleet easy or hard to foresee.

Everything that happens is counted in rows, so another interval stretches time and leaves the
difficulty as it is. Levels, drift and disturbances are counted in a sensor's own noise (standard
deviations).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class Sensor:
    """A sensor: its unit, its mean level and the standard deviation of its noise in that unit."""

    name: str
    unit: str
    level: float
    noise: float


SENSORS = (
    Sensor("stock_consistency", "%", 0.82, 0.012),
    Sensor("headbox_pressure", "kPa", 78.0, 0.9),
    Sensor("jet_wire_ratio", "1", 1.012, 0.0015),
    Sensor("wire_speed", "m/min", 1240.0, 2.5),
    Sensor("couch_vacuum", "kPa", 52.0, 0.7),
    Sensor("press_load", "kN/m", 95.0, 1.1),
    Sensor("draw_1", "%", 1.9, 0.04),
    Sensor("draw_2", "%", 0.95, 0.03),
    Sensor("draw_3", "%", 0.42, 0.02),
    Sensor("dryer_steam", "kPa", 310.0, 3.5),
    Sensor("dryer_temperature", "degC", 118.0, 0.8),
    Sensor("web_moisture", "%", 6.4, 0.12),
    Sensor("white_water_ph", "pH", 7.3, 0.03),
    Sensor("refiner_power", "kW", 860.0, 9.0),
)
GRADES = ("newsprint_45", "book_60", "catalogue_52", "offset_80")

# The precursor: a disturbance of the trigger, answered by one of the other after a delay.
TRIGGER = "stock_consistency"
ANSWER = "couch_vacuum"

# The horizon that fits the leads below: nearly every announced event is announced inside it.
HORIZON_ROWS = 12

RUN_MIN_ROWS = 36  # longer than any delay plus any lead, so that a precursor fits into every run
RUN_MEAN_ROWS = 220  # on top of that, exponential: about one event a day at five minutes a row
STOP_ROWS = (6, 36)

# A disturbance starts at once and fades within three rows.
DISTURBANCE_SHAPE = (1.0, 0.8, 0.3)
# Ordinary pairs stand up to this many rows apart, either one first.
ORDINARY_DELAY_ROWS = 14
# Rows on either side of the telling delays at which no ordinary answer falls, so that the
# mechanism has no borderline cases.
DELAY_MARGIN_ROWS = 1
# How far a disturbance may be moved to become part of a precursor.
RETIME_ROWS = 20

NOISE_WHITE = 0.6
NOISE_COLOURED = 0.8
NOISE_MEMORY = 0.6
DRIFT = 0.8
DRIFT_MEMORY_ROWS = 400
GRADE_LEVEL = 3.0
GRADE_ROWS = (100, 300)
GRADE_MEMORY_ROWS = 3
ASSET_LEVEL = 1.0
START_UP = 6.0
START_UP_MEMORY_ROWS = 4
START_UP_ROWS = 24

STUCK_PER_ROW = 1 / 3000
STUCK_ROWS = (6, 36)
OUTAGE_PER_ROW = 1 / 6000
OUTAGE_ROWS = (2, 24)
MISSING_SHARE = 0.002


@dataclass(frozen=True)
class Difficulty:
    """How well events hide.

    Attributes
    ----------
    pairs : ordinary disturbances of trigger and answer in any order and lag but the telling one,
        per row
    singles : disturbances of a sensor alone, per row and sensor
    amplitude : smallest and largest disturbance, in standard deviations of the noise
    delay : fewest and most rows from trigger to answer that make a precursor
    lead : fewest and most rows from the answer to the last row before the event
    unannounced : share of events without a precursor
    """

    pairs: float
    singles: float
    amplitude: tuple[float, float]
    delay: tuple[int, int]
    lead: tuple[int, int]
    unannounced: float

    def telling(self, rows: int) -> bool:
        """Whether an answer so many rows after the trigger completes a precursor."""
        return self.delay[0] <= rows <= self.delay[1]


# Fixed by tests/benchmarks/bench_simulate.py before any model was tuned on them; its table
# stands in the docstring of `rareevent.simulate`.
DIFFICULTIES: Mapping[str, Difficulty] = MappingProxyType(
    {
        "easy": Difficulty(1 / 32, 1 / 90, (6.0, 9.0), (4, 7), (10, 12), 0.02),
        "medium": Difficulty(1 / 14, 1 / 60, (4.5, 7.5), (4, 7), (10, 12), 0.03),
        "hard": Difficulty(1 / 10, 1 / 40, (3.0, 5.5), (3, 8), (8, 13), 0.12),
    }
)
