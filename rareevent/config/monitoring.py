"""The `monitor` stage: how far scored rows may be from the training rows before a job says so."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from rareevent.config.durations import check_duration, parse_duration_us

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


class MonitorStage(BaseModel):
    """What a scoring job compares with the training rows, and where it warns.

    An `auto` limit is learned from the training rows: how far one window of them was from all
    rows before it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    enabled: bool = True
    window: Annotated[int | str, BeforeValidator(_check_window)] = "auto"
    psi: Annotated[float, Field(gt=0)] | Literal["auto"] = "auto"
    missing: Share | Literal["auto"] = "auto"
    outside: Share | Literal["auto"] = "auto"
    alarm_rate: Annotated[float, Field(gt=1)] | None = 3.0
    max_age: Span | None = None

    @property
    def max_age_days(self) -> float | None:
        """`max_age` in days; None where there is no limit."""
        return None if self.max_age is None else parse_duration_us(self.max_age) / _DAY_US
