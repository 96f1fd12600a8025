"""What ingestion found: collected on the way, then frozen for people and for machines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console


@dataclass(frozen=True)
class ColumnQuality:
    """What there is to say about one column; counts are cells as read.

    Attributes
    ----------
    name : the column
    kind : "sensor", "categorical", "label" or "dropped"
    missing : cells without a value
    dirty : words in a numeric column
    dirty_values : the most frequent of them with their counts
    infinite : infinite numbers
    stuck : rows within runs of one value that are far longer than this sensor's usual ones
    longest_run : rows of the longest such run
    conflicts : (asset, time) pairs with different values
    note : anything else, in words
    """

    name: str
    kind: str = "sensor"
    missing: int = 0
    dirty: int = 0
    dirty_values: tuple[tuple[str, int], ...] = ()
    infinite: int = 0
    stuck: int = 0
    longest_run: int = 0
    conflicts: int = 0
    note: str = ""

    def has_finding(self) -> bool:
        """Whether there is anything to say."""
        counts = (self.missing, self.dirty, self.infinite, self.stuck, self.conflicts)
        return any(counts) or bool(self.note)


@dataclass(frozen=True)
class Quality:
    """The data-quality report of one source.

    Attributes
    ----------
    files : paths as read, in order
    rows_read, rows : before and after duplicates were merged
    assets : number of assets
    first, last : span of time, in words; None where time could not be read
    time_kind : "datetime" or "age"; None where time could not be read
    time_format : how text was read as time, such as "%d/%m/%Y %H:%M", "ISO8601"; None for others
    interval, max_gap : ticks (microseconds, or steps of an age)
    gaps : steps longer than max_gap between rows of an asset
    segments : stretches of rows between gaps, events and exclusions
    fates : rows by what became of them, named as in `Fate`
    events : events in the data
    event_counts : known events that are not among them, by the reason why, and other counts
    duplicates_identical : rows dropped because another one equals them
    duplicates_conflicting : rows merged away because another one has their asset and time
    unsorted : rows whose time lies before that of the row above of the same asset
    ambiguous : local times that a clock change made ambiguous
    clock_changes : changes of the offset from UTC within the data
    columns : one `ColumnQuality` per column read
    repairs : what was mended, by the name of the rule, with the number of cells or rows
    notes : what is worth knowing and stops nothing
    problems : why the data are refused as they are; empty where they are not
    source_sha256 : digest of the files' bytes
    """

    files: tuple[str, ...] = ()
    rows_read: int = 0
    rows: int = 0
    assets: int = 0
    first: str | None = None
    last: str | None = None
    time_kind: str | None = None
    time_format: str | None = None
    interval: int | None = None
    interval_text: str | None = None
    max_gap: int | None = None
    gaps: int = 0
    segments: int = 0
    fates: Mapping[str, int] = field(default_factory=dict)
    events: int = 0
    event_counts: Mapping[str, int] = field(default_factory=dict)
    duplicates_identical: int = 0
    duplicates_conflicting: int = 0
    unsorted: int = 0
    ambiguous: int = 0
    clock_changes: int = 0
    columns: tuple[ColumnQuality, ...] = ()
    repairs: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    source_sha256: str = ""

    def column(self, name: str) -> ColumnQuality:
        """What was found in a column."""
        return next(column for column in self.columns if column.name == name)

    def to_json(self) -> dict[str, Any]:
        """Everything as plain data."""
        plain = asdict(self)
        for column in plain["columns"]:
            column["dirty_values"] = dict(column["dirty_values"])
        for name in ("files", "columns", "notes", "problems"):
            plain[name] = list(plain[name])
        return plain

    def render(self, console: Console) -> None:
        """Print the report: overview, columns with something to say, events, repairs, problems."""
        from rareevent.ingestion.render import render_quality

        render_quality(self, console)


@dataclass
class Findings:
    """What ingestion comes across on its way, until `freeze` makes one `Quality` of it.

    Attributes
    ----------
    quality : the figures so far
    columns : name -> `ColumnQuality` so far
    """

    quality: Quality = field(default_factory=Quality)
    columns: dict[str, ColumnQuality] = field(default_factory=dict)
    _repairs: dict[str, int] = field(default_factory=dict)
    _notes: list[str] = field(default_factory=list)
    _problems: list[str] = field(default_factory=list)

    @property
    def problems(self) -> tuple[str, ...]:
        """Why the data cannot be used as they are, so far."""
        return tuple(self._problems)

    def repaired(self, rule: str, count: int) -> None:
        """Count cells or rows that a rule mended."""
        if count:
            self._repairs[rule] = self._repairs.get(rule, 0) + count

    def counted_events(self, counts: Mapping[str, int]) -> None:
        """Count events by what became of them; zeros are not worth a word."""
        counted = {name: count for name, count in counts.items() if count}
        self.quality = replace(self.quality, event_counts={**self.quality.event_counts, **counted})

    def note(self, text: str) -> None:
        """Something worth knowing that stops nothing."""
        self._notes.append(text)

    def problem(self, text: str) -> None:
        """A reason to refuse the data; the search for further ones goes on."""
        self._problems.append(text)

    def freeze(self) -> Quality:
        """The report."""
        return replace(
            self.quality,
            columns=tuple(self.columns.values()),
            repairs=dict(self._repairs),
            notes=tuple(self._notes),
            problems=tuple(self._problems),
        )
