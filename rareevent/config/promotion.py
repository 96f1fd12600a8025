"""The `promote` stage: what a challenger has to show before it becomes the champion."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from rareevent.config.stage import Stage

ComparedMetric = Literal["event_recall", "pr_auc", "roc_auc"]


class PromoteStage(Stage):
    """What a version has to show before `rareevent promote` makes it champion.

    It is judged beside the champion on the rows that neither has learned from, on the same
    resamples of them; docs/promotion.md.
    """

    metric: ComparedMetric = "event_recall"
    """The figure that is compared."""
    margin: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """How far below the champion's the figure may be: the whole interval of the difference has to
    lie above minus this. 0 asks for a challenger that is shown to be better.
    """
    min_events: Annotated[int, Field(ge=1)] = 10
    """Events that there have to be on rows that neither has learned from."""
    false_alarms: Annotated[float, Field(ge=1)] | None = 1.25
    """At most so many times the champion's false alarms, rounded up, and at least one; null does
    not judge them. Recall can be bought with false alarms.
    """
    require_skill: bool = True
    """Whether a version has to rank rows before events higher than chance would."""
