"""The demo's fleet: paper-machine-like data in which the truth about every event is known.

Every sensor is disturbed now and then, alone or shortly before or after another. An event follows
where a disturbance of the trigger is answered by one of the answering sensor after a telling
delay; the same two at any other lag, or in the other order, mean nothing. A few events come
without any precursor.

Row ROC-AUC at a horizon of `HORIZON_ROWS`, measured by tests/benchmarks/bench_simulate.py on the
last 35 % of the time of the default fleet (6 assets, 40 days, about 64,000 rows and 250 events):

==========  ====================  ====================  ====================
difficulty  seed 1                seed 2                seed 3
            logistic   oracle     logistic   oracle     logistic   oracle
==========  ====================  ====================  ====================
easy        0.763      0.975      0.799      0.973      0.779      0.996
medium      0.657      0.969      0.670      0.969      0.650      0.993
hard        0.567      0.905      0.545      0.904      0.543      0.923
==========  ====================  ====================  ====================

*logistic* reads value, change, volatility and grade at the last row; the *oracle* reads the true
onsets of disturbances up to the row and knows the mechanism, not the future.
"""

from rareevent.simulate.fleet import Disturbances, EventTruth, Fleet, make_fleet
from rareevent.simulate.parameters import (
    ANSWER,
    DIFFICULTIES,
    GRADES,
    HORIZON_ROWS,
    SENSORS,
    TRIGGER,
    Difficulty,
    Sensor,
)
from rareevent.simulate.write import SimulationSummary, simulate, write_fleet

__all__ = [
    "ANSWER",
    "DIFFICULTIES",
    "GRADES",
    "HORIZON_ROWS",
    "SENSORS",
    "TRIGGER",
    "Difficulty",
    "Disturbances",
    "EventTruth",
    "Fleet",
    "Sensor",
    "SimulationSummary",
    "make_fleet",
    "simulate",
    "write_fleet",
]
