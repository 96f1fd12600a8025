"""The `monitor` stage: how far scored rows may be from the training rows before a job says so."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from rareevent.config.durations import check_duration, parse_duration_us
from rareevent.config.stage import Stage

_DAY_US = 86_400_000_000


def _check_span(text: str) -> str:
    if parse_duration_us(text) <= 0:
        raise ValueError(f"must be above 0, such as '90d'; received {text!r}")
    return text


def _check_window(value: Any) -> Any:
    if value == "auto":
        return value
    window = check_duration(value)
    if isinstance(window, str):
        return _check_span(window)
    if window <= 0:
        raise ValueError(f"must be above 0; received {window}")
    return window


Span = Annotated[str, AfterValidator(_check_span)]
Share = Annotated[float, Field(ge=0, le=1)]


class MonitorStage(Stage):
    """What a scoring job compares with the training rows, and where it warns.

    An `auto` limit is learned from the training rows: how far one window of them was from all
    rows before it.
    """

    enabled: bool = True
    """Whether scoring jobs compare the rows that they score with the training rows;
    docs/monitoring.md.
    """
    window: Annotated[int | str, BeforeValidator(_check_window)] = "auto"
    """The rows that are judged together: a time; `auto` is a day, or as many whole days as 200
    training rows take. Where time is an age it is a number of rows, `auto` a twentieth of the
    training rows.
    """
    psi: Annotated[float, Field(gt=0)] | Literal["auto"] = "auto"
    """Largest population stability index of a column; `auto` is learned from windows of the
    training rows, and never below .25.
    """
    missing: Share | Literal["auto"] = "auto"
    """Largest share of rows without a reading; `auto` is learned, and at least .05 above
    training's.
    """
    outside: Share | Literal["auto"] = "auto"
    """Largest share of readings outside the training range, or of a level that training never
    saw; `auto` is learned, and never below .05.
    """
    alarm_rate: Annotated[float, Field(gt=1)] | None = 3.0
    """How many times more, or fewer, alarms than expected are too many, or too few; null does
    not judge them.
    """
    max_age: Span | None = None
    """How old a model may become, such as `90d`; no limit where it is left out."""

    @property
    def max_age_days(self) -> float | None:
        """`max_age` in days; None where there is no limit."""
        return None if self.max_age is None else parse_duration_us(self.max_age) / _DAY_US
