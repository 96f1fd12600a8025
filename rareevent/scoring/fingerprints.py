"""Fingerprints of rows, by which a row that comes again is told from one that was corrected."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from rareevent.ingestion.cells import Cells, number_text
from rareevent.ingestion.frame import Float64
from rareevent.ingestion.roles import Roles
from rareevent.scoring.rows import CleanRows

Uint32 = NDArray[np.uint32]
_Uint64 = NDArray[np.uint64]

_START = np.uint64(0x9E3779B97F4A7C15)
# Odd, so that multiplying by it loses nothing.
_FACTOR = np.uint64(0xFF51AFD7ED558CCD)
_SHIFT = np.uint64(29)
_UPPER = np.uint64(32)


def fingerprints(rows: CleanRows, roles: Roles) -> Uint32:
    """A number for each row's readings, uint32 [n]; equal readings have equal numbers.

    Every step maps 64 bits to 64 bits one to one, so a change in one reading always changes the
    state; the half of it that is kept agrees by chance once in 2^32 corrected rows.
    """
    state = np.full(len(rows), _START)
    for name in roles.sensors:
        _mix(state, _number_bits(rows.cells[name].values))
    for name in roles.texts:
        _mix(state, _text_bits(rows.cells[name]))
    return (state >> _UPPER).astype(np.uint32)


def _mix(state: _Uint64, bits: _Uint64) -> None:
    """Take a column in; the state is changed in place, for it is as long as the rows."""
    state ^= bits
    state *= _FACTOR
    state ^= state >> _SHIFT


def _number_bits(values: Float64) -> _Uint64:
    # Adding 0 makes -0.0 and 0.0 one value; every NaN gets the same bits.
    return np.where(np.isnan(values), np.nan, values + 0.0).view(np.uint64)


def _text_bits(cells: Cells) -> _Uint64:
    """Bits of each cell's name, whatever its code is in this piece of the input."""
    bits = np.zeros(len(cells.values), np.uint64)
    number = ~np.isnan(cells.values)
    if number.any():
        distinct, place = np.unique(cells.values[number], return_inverse=True)
        bits[number] = _hashes([number_text(value) for value in distinct])[place]
    if cells.codes is not None and cells.words:
        word = cells.is_word()
        bits[word] = _hashes(cells.words)[cells.codes[word]]
    return bits


def _hashes(names: list[str] | tuple[str, ...]) -> _Uint64:
    digests = [hashlib.blake2b(name.encode(), digest_size=8).digest() for name in names]
    return np.array([int.from_bytes(digest, "little") for digest in digests], np.uint64)
