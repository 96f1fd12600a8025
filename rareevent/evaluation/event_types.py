"""Whether the type that an alarm names is the type that the event then had."""

from __future__ import annotations

import numpy as np

from rareevent.evaluation.catches import Judgement, judge
from rareevent.evaluation.metrics import Metrics
from rareevent.evaluation.scored import Scored
from rareevent.ingestion.frame import Bool, Float32, Int32


def type_metrics(scored: Scored, counted: Bool, kind: Int32, probability: Float32) -> Metrics:
    """How often the most probable type is right, by the alarm that catches, per caught event.

    Parameters
    ----------
    scored : Scored, m rows of a part
    counted : bool [k], events that the part counts
    kind : int32 [k], the type that each event had, among K; -1 where it is none of them
    probability : float32 [m, K], of each type given that there is an event

    Returns
    -------
    type_events : caught events whose type is among the K
    type_accuracy : share of them whose type was the most probable one on the row of the first
        alarm that caught them; None without any
    type_most_frequent_share : what always naming the type that most of them had would have got
    """
    judged = judge(scored, counted)
    caught = judged.row[judged.judgement == Judgement.CATCH]
    truth = kind[scored.event[caught]]
    caught, truth = caught[truth >= 0], truth[truth >= 0]
    if not len(truth):
        return {"type_events": 0, "type_accuracy": None, "type_most_frequent_share": None}
    right = probability[caught].argmax(axis=1) == truth
    return {
        "type_events": len(truth),
        "type_accuracy": float(right.mean()),
        "type_most_frequent_share": float(np.bincount(truth).max() / len(truth)),
    }
