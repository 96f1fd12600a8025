"""Parts that are learned for: what leaves nothing to learn from is said by its cause."""

import pytest

from rareevent.errors import DataError, TrainingError
from rareevent.jobs.parts import window_part
from rareevent.jobs.prepare import prepare, require_events
from tests.lines import line_pipeline, write_line


@pytest.mark.parametrize(
    "window", [{"lookback": 400, "pad": "none"}, {"lookback": 6, "min_history": 400}]
)
def test_where_no_positive_row_has_a_window_the_window_is_what_is_named(workplace, window):
    prepared = prepare(line_pipeline(write_line(workplace), window=window))

    with pytest.raises(TrainingError, match=r"positive rows to learn from has a window: .*400"):
        window_part(prepared, 1)


def test_a_horizon_that_purges_all_training_rows_is_to_be_shortened(workplace):
    label = {"horizon": "40h", "auxiliary": []}
    prepared = prepare(line_pipeline(write_line(workplace), label=label))

    with pytest.raises(DataError, match=r"is purged, .* in use is 1.667 d; shorten label.horizon"):
        require_events(prepared)
