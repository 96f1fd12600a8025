"""From cells to columns: numbers, categories and the label; what is neither is counted and told."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from rareevent.config import Ingest
from rareevent.ingestion.cells import Cells, number_text
from rareevent.ingestion.frame import Float64, Int8, Int32, TextColumn
from rareevent.ingestion.quality import ColumnQuality, Findings
from rareevent.ingestion.roles import Roles
from rareevent.ingestion.table import RawTable

# An undeclared text column with more values than this is a name or a remark, not a category.
MOST_LEVELS = 100
_EXAMPLES = 5
# Events are rare: a label that is 1 in more than this share of rows marks something else.
_MOSTLY = 0.5
# 1,5 and 1.234,5, and 1,234 as well: which of them it is cannot be told.
COMMA_NUMBER = re.compile(r"[+-]?\d+([. ]\d{3})*,\d+([eE][+-]?\d+)?")
TRUTH_WORDS = {"true": 1.0, "false": 0.0}


@dataclass(frozen=True)
class Columns:
    """The columns of n rows.

    Attributes
    ----------
    sensors : name -> float64 [n], finite or NaN
    texts : name -> TextColumn of n rows, levels in alphabetical order
    label : int8 [n], 0 or 1; None where there is no label
    """

    sensors: Mapping[str, Float64]
    texts: Mapping[str, TextColumn]
    label: Int8 | None


def settle_columns(raw: RawTable, roles: Roles, stage: Ingest, found: Findings) -> Columns:
    """Decide what every column is; all that is wrong is told at once, by column.

    A column whose cells mostly are words is a category, if it is declared or has few values; in
    any other column words are dirt, and refused unless `dirty_text` is "missing". Scored cells are
    read one by one, whatever else stands in their column: the next rows may stand alone.
    """
    sensors: dict[str, Float64] = {}
    texts: dict[str, TextColumn] = {}
    refused: dict[str, int] = {}
    commas = [name for name in roles.sensors if _has_commas(raw.cells[name])]
    for name in (*roles.sensors, *roles.texts):
        cells, declared = raw.cells[name], name in roles.texts
        if roles.learning or not declared:
            cells = _with_truth_values(cells)
        kind = _kind(cells, declared, roles.learning and name not in commas)
        missing = int(np.isnan(cells.values).sum() - cells.is_word().sum())
        found.columns[name] = ColumnQuality(name, kind, missing)
        if kind == "sensor":
            sensors[name] = _numbers(name, _truth_as_numbers(cells), found)
            continue
        texts[name] = _categories(cells)
        levels = len(texts[name].levels)
        if name not in roles.texts and levels > MOST_LEVELS:
            refused[name] = levels
        elif name not in roles.texts:
            note = f"text with {levels} values, taken as categorical"
            found.columns[name] = replace(found.columns[name], note=note)
    _tell_commas(found, commas, stage)
    _tell_words(found, [name for name in sensors if name not in commas], roles, stage)
    _tell_names(found, refused, stage)
    _tell_infinities(found, sensors, stage)
    label = _label(raw, roles.label, found) if roles.label is not None else None
    return Columns(sensors, texts, label)


def _kind(cells: Cells, declared: bool, learning: bool) -> str:
    if declared:
        return "categorical"
    words = int(cells.is_word().sum())
    mostly_words = words > int((~np.isnan(cells.values)).sum())
    # A scored batch may hold nothing but dirt; what a column is was settled in training.
    return "categorical" if learning and mostly_words else "sensor"


def _with_truth_values(cells: Cells) -> Cells:
    """A column of true and false (in any case) as 1 and 0, like a typed column of truth values."""
    if all(word.lower() in TRUTH_WORDS for word in cells.words):
        return _truth_as_numbers(cells)
    return cells


def _truth_as_numbers(cells: Cells) -> Cells:
    """The same, with 1 and 0 for true and false, and with all other words."""
    if cells.codes is None:
        return cells
    truth = np.array([TRUTH_WORDS.get(word.lower(), np.nan) for word in cells.words])
    other = [code for code, value in enumerate(truth) if np.isnan(value)]
    # The last entries are those of code -1, no word.
    recode = np.full(len(truth) + 1, -1, np.int32)
    recode[other] = np.arange(len(other))
    values = np.where(cells.is_word(), np.append(truth, np.nan)[cells.codes], cells.values)
    words = tuple(cells.words[code] for code in other)
    return Cells(values, recode[cells.codes] if words else None, words)


def _numbers(name: str, cells: Cells, found: Findings) -> Float64:
    dirty = cells.word_counts()
    values = cells.values
    infinite = int(np.isinf(values).sum())
    if infinite:
        values = np.where(np.isinf(values), np.nan, values)
    found.columns[name] = replace(
        found.columns[name],
        dirty=sum(count for _, count in dirty),
        dirty_values=tuple(dirty[:_EXAMPLES]),
        infinite=infinite,
    )
    return values


def _categories(cells: Cells) -> TextColumn:
    """Words and numbers as levels; a number is written in its shortest way, 96.0 as 96."""
    codes = np.full(len(cells.values), -1, np.int32)
    is_number = ~np.isnan(cells.values)
    distinct, place = np.unique(cells.values[is_number], return_inverse=True)
    numbers = [number_text(value) for value in distinct]
    levels = sorted({*numbers, *cells.words})
    code = {level: i for i, level in enumerate(levels)}
    codes[is_number] = _lookup(code, numbers)[place]
    if cells.codes is not None:
        word = cells.is_word()
        codes[word] = _lookup(code, cells.words)[cells.codes[word]]
    return TextColumn(codes, tuple(levels))


def _lookup(code: Mapping[str, int], names: list[str] | tuple[str, ...]) -> Int32:
    return np.array([code[name] for name in names], np.int32)


def _has_commas(cells: Cells) -> bool:
    """Whether most words of a column are numbers with a comma."""
    counts = cells.word_counts()
    with_comma = sum(count for word, count in counts if COMMA_NUMBER.fullmatch(word))
    return with_comma > sum(count for _, count in counts) / 2


def _tell_commas(found: Findings, commas: Sequence[str], stage: Ingest) -> None:
    """Numbers with a comma are neither dirt, to be made missing, nor categories."""
    if commas:
        listed = "; ".join(f"{name!r} {_examples(found.columns[name])}" for name in commas)
        advice = "write them without thousands separators"
        if stage.decimal == ".":
            advice = f"set ingest.decimal: ',' if it parts decimals; else {advice}"
        found.problem(
            f"{stage.source}: numbers with a comma in {len(commas)} columns: {listed}; {advice}"
        )


def _tell_words(found: Findings, names: Sequence[str], roles: Roles, stage: Ingest) -> None:
    """One line for all columns with words among their numbers."""
    dirty = [found.columns[name] for name in names if found.columns[name].dirty]
    if not dirty:
        return
    if stage.dirty_text == "missing":
        cells = sum(column.dirty for column in dirty)
        found.repaired("text in a numeric column made missing", cells)
        return
    listed = "; ".join(f"{c.name!r} {c.dirty} x {_examples(c)}" for c in dirty)
    advice = (
        "clean them, list them in ingest.ignore or ingest.categorical, or set"
        " ingest.dirty_text: missing"
        if roles.learning
        else "clean them; a model trained with ingest.dirty_text: missing takes them as missing"
    )
    found.problem(f"{stage.source}: text in {len(dirty)} numeric columns: {listed}; {advice}")


def _tell_names(found: Findings, refused: Mapping[str, int], stage: Ingest) -> None:
    """One line for all texts that are no category."""
    if refused:
        listed = ", ".join(f"{name!r} ({levels})" for name, levels in refused.items())
        found.problem(
            f"{stage.source}: text columns with more than {MOST_LEVELS} values: {listed}; list them"
            " in ingest.ignore, or in ingest.categorical if they are categories"
        )


def _tell_infinities(found: Findings, names: Iterable[str], stage: Ingest) -> None:
    """One line for all infinite values."""
    counts = {name: found.columns[name].infinite for name in names}
    infinite = {name: count for name, count in counts.items() if count}
    if infinite and stage.infinite == "refuse":
        listed = ", ".join(f"{name!r} ({count})" for name, count in infinite.items())
        found.problem(
            f"{stage.source}: infinite values: {listed}; mend them, or set ingest.infinite: missing"
        )
    else:
        found.repaired("infinite value made missing", sum(infinite.values()))


def _examples(column: ColumnQuality) -> str:
    shown = ", ".join(repr(word) for word, _ in column.dirty_values)
    return f"({shown})"


def _label(raw: RawTable, name: str, found: Findings) -> Int8:
    """The label, 0 or 1; anything else is a problem, and taken as 0 while the search goes on."""
    cells = _with_truth_values(raw.cells[name])
    missing = np.isnan(cells.values) & ~cells.is_word()
    wrong = ~np.isin(cells.values, (0.0, 1.0)) & ~missing
    found.columns[name] = ColumnQuality(name, "label", int(missing.sum()))
    if wrong.any():
        words = [word for word, _ in cells.word_counts()[:_EXAMPLES]]
        numbers = [number_text(v) for v in np.unique(cells.values[wrong & ~cells.is_word()])]
        first = int(np.flatnonzero(wrong)[0])
        found.problem(
            f"{raw.row(first)}: the label {name!r} must be 0 or 1; {wrong.sum()} rows have others,"
            f" such as {', '.join((words + numbers)[:_EXAMPLES])}"
        )
    if missing.any():
        first = int(np.flatnonzero(missing)[0])
        found.problem(
            f"{raw.row(first)}: the label {name!r} is missing in {missing.sum()} rows; complete"
            " it, or leave these rows out"
        )
    label: Int8 = (cells.values == 1.0).astype(np.int8)
    share = float(label.mean()) if len(label) else 0.0
    if share > _MOSTLY:
        found.note(
            f"the label {name!r} is 1 in {share:.0%} of the rows, and 1 marks an event: is it"
            " inverted, or does it mark normal rows?"
        )
    return label
