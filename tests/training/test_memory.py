"""Memory while training grows with rows, not with rows times lookback."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# A fit comes first that is large enough for all that TensorFlow takes once, and for the buffers of
# a chunk of batches, so that only what grows with the windows is counted.
FIT = """
import numpy as np
from rareevent.config import ModelStage, TrainStage
from rareevent.training.fit import fit_lstm
from rareevent.windowing.temporalize import Windows
from tests.benchmarks.processes import peak_mb

def fit(windows):
    rows = np.zeros((windows, 20), np.float32)
    ends = np.arange(windows)
    targets = (ends % 10 == 0).astype(np.int8)[:, None]
    some = Windows(rows, np.zeros_like(ends), ends, lookback=300)
    fit_lstm(some, targets, ModelStage(units=(2, 2), projection=2), TrainStage(), seed=0, epochs=1)
    return peak_mb()

before = fit(60_000)
print(fit(120_000) - before)
"""


@pytest.mark.slow
def test_a_long_lookback_does_not_multiply_memory():
    ran = subprocess.run(
        [sys.executable, "-c", FIT], cwd=ROOT, capture_output=True, text=True, check=True
    )

    materialised = 60_000 * 300 * 20 * 4 / 2**20  # MB
    assert float(ran.stdout) < materialised / 10
