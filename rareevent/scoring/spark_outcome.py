"""What a job on Spark came to, as its tasks tell."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rareevent import errors
from rareevent.ingestion.frame import Int64
from rareevent.scoring.carry import AssetState
from rareevent.scoring.drift_counts import add_counts
from rareevent.scoring.output import Part
from rareevent.scoring.spark_messages import (
    ASSET,
    ERROR,
    PART,
    Message,
    read_seen_arrays,
    read_state,
)
from rareevent.scoring.spark_scores import part_of
from rareevent.scoring.state import Seen
from rareevent.scoring.tally import Tally

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass
class FileOutcome:
    """What a file came to; grows in place with what the tasks tell."""

    counts: Counter[str] = field(default_factory=Counter)
    not_scored: Counter[str] = field(default_factory=Counter)
    repairs: Counter[str] = field(default_factory=Counter)
    assets: set[str] = field(default_factory=set)
    events: set[tuple[str, int]] = field(default_factory=set)
    span: list[int] = field(default_factory=list)
    last: int | None = None
    silent: frozenset[str] = frozenset()
    slots: dict[int, Int64] = field(default_factory=dict)
    rejections: list[pa.RecordBatch] = field(default_factory=list)

    def add(self, message: Message) -> None:
        """Take a note in."""
        import pyarrow as pa

        facts, arrays = message.facts, message.arrays
        for name in ("rows", "scored", "rejected", "alarms"):
            self.counts[name] += facts.get(name, 0)
        self.not_scored.update(facts.get("not_scored", {}))
        self.repairs.update(facts.get("repairs", {}))
        self.assets.update(facts.get("assets", ()))
        self.events.update((asset, tick) for asset, tick in facts.get("events", ()))
        self.span += facts.get("span", ())
        self.last = facts.get("last", self.last)
        self.silent = frozenset(facts.get("silent", self.silent))
        if "slots" in arrays:
            add_counts(
                self.slots, dict(zip(arrays["slots"].tolist(), arrays["counts"], strict=True))
            )
        if "rejected" in arrays:
            with pa.ipc.open_stream(arrays["rejected"].tobytes()) as stream:
                self.rejections += stream.read_all().to_batches()

    def tally(self) -> Tally:
        """The same in figures."""
        count = self.counts
        span = (min(self.span), max(self.span)) if self.span else None
        assets, events = frozenset(self.assets), frozenset(self.events)
        return Tally(
            rows=count["rows"],
            scored=count["scored"],
            rejected=count["rejected"],
            alarms=count["alarms"],
            not_scored=self.not_scored,
            repairs=self.repairs,
            assets=assets,
            events=events,
            span=span,
            last=self.last,
            counts=self.slots,
            silent=self.silent,
        )


@dataclass
class Outcome:
    """What a job came to; grows in place with what the tasks tell."""

    files: list[FileOutcome]
    parts: list[Part] = field(default_factory=list)
    states: dict[str, AssetState] = field(default_factory=dict)
    seen: list[Seen] = field(default_factory=list)
    late: dict[str, int] = field(default_factory=dict)

    def add(self, message: Message) -> None:
        """Take a message in.

        Raises
        ------
        RareEventError
            What went wrong in a task.
        """
        if message.kind == ERROR:
            raise getattr(errors, message.facts["type"])(message.facts["text"])
        if message.kind == PART:
            self.parts.append(part_of(message))
        elif message.kind == ASSET:
            state = read_state(message)
            if state is not None:
                self.states[message.asset] = state
            self.seen += read_seen_arrays(message)
        else:
            self.files[message.rank].add(message)
            for asset, since in message.facts.get("late", {}).items():
                self.late[asset] = min(since, self.late.get(asset, since))
