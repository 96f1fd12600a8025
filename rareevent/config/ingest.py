"""The `ingest` stage: what to read, and what its columns mean."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, model_validator

from rareevent.config.durations import Duration
from rareevent.config.stage import Stage


class EventLog(Stage):
    """Events in a file of their own: one row per event."""

    source: str
    """The file: CSV, CSV.gz or Parquet, a directory or a glob; or a database's `URL#TABLE`."""
    time: str = "time"
    """Its time column."""
    asset: str | None = None
    """Its asset column; leave it out where there is one machine."""
    type: str | None = None
    """Its column with the type of the event, where it has one."""
    time_format: str | None = None
    """As in strptime, or `epoch_s`, `epoch_ms`; found where it is left out."""


def _moment_as_text(value: Any) -> Any:
    # YAML reads an unquoted 2024-05-01 as a date, and 2024-05-01 06:00:00 as a datetime.
    return value.isoformat() if isinstance(value, date) else value


Moment = Annotated[int | str, BeforeValidator(_moment_as_text)]


class Interval(Stage):
    """A closed stretch of time that is neither trained on nor counted, such as a planned stop."""

    model_config = ConfigDict(populate_by_name=True)
    start: Moment = Field(alias="from")
    """First moment that is left out."""
    end: Moment = Field(alias="to")
    """Last moment that is left out."""
    asset: str | None = None
    """The machine it holds for; all where it is left out."""


class Ingest(Stage):
    """What to read, and what its columns mean."""

    source: str
    """CSV, CSV.gz or Parquet: a file, a directory or a glob; or a database: a SQLAlchemy URL,
    `#`, and a table or a query, as `postgresql+psycopg://user@host/plant#readings`, which is
    read page by page. A password in clear is refused: write `${NAME}` for a variable of the
    environment.
    """
    time: str
    """The time column: text, timestamps, or whole numbers for an age."""
    asset: str | None = None
    """The column that tells machines apart; leave it out for one machine."""
    label: str | None = None
    """A column of 0 and 1, 1 at the event."""
    events: EventLog | Literal["last_row"] | None = None
    """A file with one row per event, or `last_row`: each asset's last row is its event."""
    runs: Literal["onset", "each"] = "onset"
    """1s in a row are one event at the first (the rest is neither trained on nor scored), or
    one event `each`.
    """
    sensors: tuple[str, ...] | None = None
    """Which columns to read; all others where it is left out."""
    categorical: tuple[str, ...] = ()
    """Columns whose values are names; text with few levels is found by itself."""
    ignore: tuple[str, ...] = ()
    """Columns not to read."""
    keep: tuple[str, ...] = ()
    """Row counters that are meant; others are dropped with a note."""
    interval: Duration | None = None
    """The nominal step between rows; the median step where it is left out."""
    max_gap: Duration | None = None
    """A longer step starts a new segment; one and a half intervals where it is left out."""
    recovery: Duration = 0
    """How long after an event rows belong to no segment."""
    exclude: tuple[Interval, ...] = ()
    """Stretches neither trained on nor counted, such as planned stops."""
    time_format: str | None = None
    """As in strptime, or `epoch_s`, `epoch_ms`; found where it is left out."""
    timezone: str | None = None
    """Zone of naive local times, such as `Europe/Berlin`; they stand as they are without one."""
    header: bool = True
    """Whether the first line names the columns."""
    columns: tuple[str, ...] | None = None
    """The names, in order, where there is no header."""
    separator: str = ","
    """One character, or `whitespace` for runs of blanks."""
    decimal: Literal[".", ","] = "."
    """What parts a number's decimals in texts; with `,` a point in a number is refused."""
    missing_values: tuple[str, ...] = ("", "NA", "N/A", "NaN", "nan", "null", "NULL", "None")
    """Texts that mean missing."""
    dirty_text: Literal["refuse", "missing"] = "refuse"
    """Words in numeric columns: refuse, or take as `missing`."""
    duplicates: Literal["mean", "refuse"] = "mean"
    """Conflicting rows of one asset and time: average, or `refuse`."""
    infinite: Literal["missing", "refuse"] = "missing"
    """Infinite readings: take as missing, or `refuse`."""

    @model_validator(mode="before")
    @classmethod
    def _events_as_path(cls, data: Any) -> Any:
        path = data.get("events") if isinstance(data, dict) else None
        if not isinstance(path, str) or path == "last_row":
            return data
        return {**data, "events": {"source": path, "asset": data.get("asset")}}

    @model_validator(mode="after")
    def _one_source_of_events(self) -> Ingest:
        if (self.label is None) == (self.events is None):
            raise ValueError(
                "needs exactly one of 'label' (a 0/1 column) and 'events' (a file, or 'last_row');"
                f" received label={self.label!r}, events={self.events!r}"
            )
        if not self.header and self.columns is None:
            raise ValueError("'columns' must name the columns when 'header' is false")
        taken = {"time": self.time, "asset": self.asset, "label": self.label}
        for role, column in taken.items():
            if column is not None and column in (self.sensors or ()):
                raise ValueError(
                    f"the {role} column {column!r} is listed in 'sensors'; take it out of there"
                )
        return self
