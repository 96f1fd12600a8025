"""Ticks written out are read as what they were, however times are written."""

import numpy as np
import pandas as pd
import pytest

from rareevent.ingestion.frame import Clock
from rareevent.ingestion.load import frame_from_table
from rareevent.ingestion.time_text import write_times
from tests.bundles import tiny_config

TICKS = np.array(["2024-03-01T00:00:00", "2024-10-26T22:30:07"], "M8[us]").view(np.int64)


@pytest.mark.parametrize("timezone", [None, "Europe/Berlin"])
@pytest.mark.parametrize(
    "written", [None, "ISO8601", "epoch_s", "%d.%m.%Y %H:%M", "%Y%m%d%H%M%S", "%Y/%m/%d %H:%M:%S"]
)
def test_points_in_time_come_back(written, timezone):
    clock = Clock("datetime", 60_000_000)
    stage = tiny_config().ingest.model_copy(update={"time_format": written, "timezone": timezone})
    texts = write_times(TICKS, stage, clock)
    table = pd.DataFrame({"when": texts, "machine": "m", "s1": 1.0})
    assert frame_from_table(table, stage, clock, ("s1",))[0].time.tolist() == TICKS.tolist()


def test_ages_are_whole_numbers():
    assert write_times(np.array([3, 17]), tiny_config().ingest, Clock("age", 1)) == [3, 17]
