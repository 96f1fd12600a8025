"""What every task of a Spark job knows, and how it tells what became of rows.

The stages of a job; the scoring itself is the local job's own:

1. `read_files`: a file's rows, without those that cannot be read.
2. `cut_slices`: per asset, file by file in the order of time, what is new; cut into slices, each
   with the state before it. Nothing is scored, so one task goes through a long history quickly.
3. `score_slices`: probabilities. A slice needs nothing but its state, so an asset of any size is
   scored by all tasks at once.
4. `finish_assets`: alarms over an asset's probabilities, and the files of the output.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rareevent.scoring.carry import Reader
from rareevent.scoring.output import Format
from rareevent.scoring.plan import InputFile
from rareevent.scoring.spark_messages import NOTE, Message, message_batch
from rareevent.scoring.take import Source, Taking

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Work:
    """What every task must know; it travels with the job, the bundle inside `reader` too.

    Attributes
    ----------
    reader : what the model reads
    files : to take, in order; a file's rank is its place here
    folder : output directory, seen by every task under this path
    state : database of manifest and states, read by the tasks
    model : what the model is known as
    format : of the output's files
    since : rows before this tick are not written; None for all
    name : of the output's files
    slice_rows : rows of an asset that are scored at once, about
    """

    reader: Reader
    files: tuple[InputFile, ...]
    folder: Path
    state: Path
    model: str
    format: Format
    since: int | None
    name: str
    slice_rows: int

    def source(self, rank: int) -> Source:
        """Where the rows of a file come from."""
        return Source(self.files[rank].name, self.files[rank].grew, self.since)


def note_of(taking: Taking, rank: int, **more: Any) -> Message:
    """What became of rows."""
    import pyarrow as pa

    facts = {
        "rejected": taking.rejected,
        "not_scored": {reason: n for reason, n in taking.not_scored.items() if n},
        "repairs": {rule: n for rule, n in taking.repairs.items() if n},
        "events": sorted(taking.events),
        **more,
    }
    arrays: dict[str, np.ndarray] = {}
    if taking.rejections:
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, taking.rejections[0].schema) as stream:
            for batch in taking.rejections:
                stream.write_batch(batch)
        arrays["rejected"] = np.frombuffer(sink.getvalue(), np.uint8)
    if taking.counts.slots:
        arrays["slots"] = np.array(list(taking.counts.slots), np.int64)
        arrays["counts"] = np.stack(list(taking.counts.slots.values()))
    return Message(NOTE, "", rank, 0, facts, arrays)


def batched(messages: Iterable[Message]) -> Iterator[pa.RecordBatch]:
    """One batch each: bodies are large, and a batch is held as a whole."""
    return (message_batch([message]) for message in messages)
