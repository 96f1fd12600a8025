"""A file taken piece by piece, so that memory does not grow with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from rareevent.ingestion.frame import Int64
from rareevent.scoring.carry import Reader
from rareevent.scoring.rejected import BROKEN_ROW, NO_ASSET, UNREADABLE_TIME, Unfit, clean_cells
from rareevent.scoring.rows import CleanRows, take_cells
from rareevent.scoring.survey import Survey, read_pieces
from rareevent.scoring.take import Taking

# Numbers held at once: readings, filled readings and channels of a piece come to about four times
# as many bytes as these, times eight.
_PIECE_CELLS = 1 << 24


_FEWEST_ROWS, _MOST_ROWS = 1 << 14, 1 << 20


def take_file(
    taking: Taking,
    reader: Reader,
    path: Path,
    survey: Survey,
    step: Callable[[int], None] = lambda rows: None,
) -> None:
    """Take the rows of a file.

    Parameters
    ----------
    taking : grows
    reader, path, survey : the file, surveyed
    step : called with the number of rows behind us

    Raises
    ------
    DataError
        When the file cannot be read to its end.
    """
    taking.reject([BROKEN_ROW] * len(survey.broken), detail=list(survey.broken))
    taking.rows += len(survey.broken)
    taking.last = survey.span[1] if survey.span else None
    for where, rows, number in clean_pieces(taking, reader, path, survey):
        taking.rows += where.stop - where.start
        taking.add(rows, number)
        step(where.stop)


def rows_at_once(reader: Reader, survey: Survey) -> int:
    """Rows of a piece: as many as fit into the memory set aside; all where order asks for it.

    Rows that are sorted by time alone bring every asset's kept rows along with each piece, so
    there a piece has several times as many rows as are kept.
    """
    if not survey.in_order():
        return max(len(survey), 1)
    columns = len(reader.roles.read) + len(reader.bundle.encoder.channels)
    fitting = min(max(_PIECE_CELLS // columns, _FEWEST_ROWS), _MOST_ROWS)
    return max(fitting, 4 * reader.kept_rows * len(survey.assets))


def clean_pieces(
    taking: Taking, reader: Reader, path: Path, survey: Survey
) -> Iterator[tuple[slice, CleanRows, Int64]]:
    """Pieces of a file without the rows that cannot be read, which are rejected.

    Yields
    ------
    slice of the piece among the file's rows, CleanRows [n], their places int64 [n]
    """
    roles, rows = reader.roles, rows_at_once(reader, survey)
    columns = (*roles.sensors, *roles.texts)
    for where, cells in read_pieces(path, columns, reader.stage, rows, len(survey)):
        unfit = Unfit(where.stop - where.start)
        _check_row(unfit, survey, where)
        cells, missing = clean_cells(cells, roles.sensors, reader.stage, unfit)
        taking.repairs.update({"text in a numeric column made missing": missing})
        taking.silent.note(cells)
        _reject_unfit(taking, survey, where, unfit)
        good = ~unfit.unfit
        asset, tick = survey.asset[where][good], survey.tick[where][good]
        if not good.all():
            cells = {name: take_cells(column, good) for name, column in cells.items()}
        codes, inverse = np.unique(asset, return_inverse=True)
        names = tuple(survey.assets[code] for code in codes)
        clean = CleanRows(tick, inverse.astype(np.int32), names, cells)
        yield where, clean, where.start + np.flatnonzero(good)


def _check_row(unfit: Unfit, survey: Survey, where: slice) -> None:
    untimed = ~survey.timed[where]
    if untimed.any():
        rows = where.start + np.flatnonzero(untimed)
        texts = [survey.time_text[row] for row in rows.tolist()]
        unfit.add(untimed, UNREADABLE_TIME, texts)
    unfit.add(survey.asset[where] < 0, NO_ASSET, "")


def _reject_unfit(taking: Taking, survey: Survey, where: slice, unfit: Unfit) -> None:
    rows = np.flatnonzero(unfit.unfit)
    codes = survey.asset[where][rows]
    names = [survey.assets[code] if code >= 0 else None for code in codes]
    why = [unfit.why[row] for row in rows.tolist()]
    taking.reject(
        [reason for reason, _ in why],
        row=where.start + rows,
        asset=names,
        tick=survey.tick[where][rows],
        timed=survey.timed[where][rows],
        detail=[detail for _, detail in why],
    )
