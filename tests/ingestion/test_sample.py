"""The sample in data/ keeps the contract it illustrates."""

from pathlib import Path

import numpy as np

from rareevent.config import Ingest
from rareevent.ingestion import ingest

DATA = Path(__file__).parents[2] / "data"


def test_the_sample_is_read_as_it_stands():
    log = {"source": str(DATA / "sample_events.csv"), "asset": "asset", "type": "type"}
    source = str(DATA / "sample.csv")
    frame, quality = ingest(Ingest(source=source, time="time", asset="asset", events=log))
    assert frame.assets == ("PM1", "PM2")
    assert (len(frame), len(frame.events), quality.gaps) == (58, 3, 1)
    assert frame.events.kinds == ("edge tear", "sheet break")
    assert list(frame.sensors) == ["felt_temperature", "draw_tension", "vacuum"]
    assert frame.texts["grade"].levels == ("100g", "80g")
    assert int(np.isnan(frame.sensors["vacuum"]).sum()) == 2


def test_only_the_contract_and_the_sample_are_kept_in_git():
    kept = (DATA / ".gitignore").read_text(encoding="utf-8").split("*", 1)[1].split()
    assert sorted(kept) == ["!.gitignore", "!README.md", "!sample.csv", "!sample_events.csv"]


def test_the_row_in_the_contract_is_in_the_sample():
    contract = (DATA / "README.md").read_text(encoding="utf-8")
    shown = contract.split("```text\n")[1].split("```")[0].strip().splitlines()
    assert (DATA / "sample.csv").read_text(encoding="utf-8").splitlines()[:2] == shown
