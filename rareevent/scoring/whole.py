"""All rows of some files as one frame, read as a job that scores them would."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rareevent.bundle import Bundle
from rareevent.errors import DataError
from rareevent.ingestion.assemble import scoring_frame
from rareevent.ingestion.files import find_files
from rareevent.ingestion.frame import SensorFrame
from rareevent.ingestion.quality import Findings
from rareevent.ingestion.readers import read_names
from rareevent.scoring.fingerprints import fingerprints
from rareevent.scoring.inputs import check_columns, open_reader
from rareevent.scoring.pieces import clean_pieces
from rareevent.scoring.rows import CleanRows, as_table, join_rows
from rareevent.scoring.sift import conflicting_rows, no_past
from rareevent.scoring.survey import survey_file
from rareevent.scoring.take import Source, Taking


def read_whole(bundle: Bundle, source: str, events: str | None) -> tuple[SensorFrame, int]:
    """Rows that fit the model, cut into segments as a scoring job would cut them.

    Parameters
    ----------
    source : file, directory or glob
    events : file of known events, which cut segments; None cuts at gaps alone

    Returns
    -------
    frame : SensorFrame
    left_out : rows that a job would reject, as a cell of them cannot be read, or as they
        contradict each other and `ingest.duplicates` is `refuse`

    Raises
    ------
    DataError, ModelError
        When the input cannot be read, does not fit the model, or no row of it can be read.
    """
    files = find_files(source, "--input")
    reader = open_reader(bundle, _names(bundle, files[0]), events)
    parts: list[CleanRows] = []
    left_out, why = 0, ""
    for path in files:
        _names(bundle, path)
        survey = survey_file(path, reader.roles, reader.stage, bundle.clock)
        taking = Taking(reader, no_past(), Source(str(path)), survey.assets)
        parts += [rows for _, rows, _ in clean_pieces(taking, reader, path, survey) if len(rows)]
        left_out += taking.rejected + len(survey.broken)
        why = why or survey.problem
    if not parts:
        none = f"none of its {left_out} rows can be read" if left_out else "has no rows"
        raise DataError(why or f"{source}: {none}")
    rows = join_rows(parts)
    if reader.stage.duplicates == "refuse":
        conflict = conflicting_rows(rows, fingerprints(rows, reader.roles))
        rows, left_out = rows.take(~conflict), left_out + int(conflict.sum())
    found = Findings()
    stage = reader.stage.model_copy(update={"source": source})
    table = as_table(rows, bundle.clock, source)
    delay = bundle.event_delay
    frame = scoring_frame(table, reader.roles, stage, bundle.clock, reader.log, delay, found)
    if found.problems:
        raise DataError("\n".join(found.problems))
    return frame, left_out


def _names(bundle: Bundle, path: Path) -> Sequence[str]:
    """The columns of a file; refused where they do not fit the model."""
    names = read_names(path, bundle.config.ingest)
    check_columns(bundle, names, str(path))
    return names
