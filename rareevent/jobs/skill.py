"""Whether any of the models has skill, on the rows that none of them had learned from."""

from __future__ import annotations

import numpy as np

from rareevent.evaluation.skill import FitScores, Skill, find_skill
from rareevent.jobs.choose import choosing_rows
from rareevent.jobs.judge import Judged
from rareevent.jobs.learn import LSTM, Learned
from rareevent.jobs.prepare import Prepared

# Models of which validation chose nothing but calibration and alarms, which keep the order of the
# scores. Any other (weights of a blend) has been fitted to the events there, and is judged on the
# test part alone.
_KEPT_FROM_VALIDATION = (LSTM, "logistic", "boosting")


def skill_of(prepared: Prepared, learned: Learned, judged: Judged) -> Skill:
    """Test the best of all models, on each validation fold and on the test part.

    Each of these parts was scored by a fit of its own and is ranked by itself.
    """
    fits = [*validation_folds(prepared, learned), FitScores.of(judged.scored)]
    return find_skill(fits, prepared.frame.clock, seed=prepared.config.evaluate.seed)


def validation_folds(prepared: Prepared, learned: Learned) -> list[FitScores]:
    """The validation rows as the models scored them to which nothing there was fitted."""
    names = [name for name in learned.chosen if name in _KEPT_FROM_VALIDATION]
    whole = FitScores.of({name: learned.chosen[name].scored for name in names})
    row = np.flatnonzero(choosing_rows(prepared) & learned.final.part.windowed)
    part = prepared.split.part[row]
    return [whole.take(part == fold) for fold in range(1, prepared.split.test)]
