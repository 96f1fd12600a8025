"""Rows one at a time get what they would have got all at once, over saves and bad rows."""

from dataclasses import replace
from datetime import datetime

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rareevent.errors import DataError, ModelError
from rareevent.scoring.pyfunc import score_table
from rareevent.scoring.stream import StreamScorer, load_stream
from rareevent.windowing.fit_encode import fit_encoder
from tests.bundles import MINUTE, random_network, raw_rows, tiny_bundle, tiny_config
from tests.frames import make_frame

BUNDLE = tiny_bundle()


def rows_of(table: pd.DataFrame) -> list[dict]:
    return table.astype(object).where(table.notna(), None).to_dict("records")


def assert_same(scores, batch: pd.DataFrame) -> None:
    assert [score.asset for score in scores] == batch["asset"].tolist()
    assert [score.time for score in scores] == batch["time"].tolist()
    found = np.array([score.probability for score in scores], float)
    np.testing.assert_allclose(found, batch["probability"], rtol=0, atol=1e-5)
    assert [score.alarm for score in scores] == batch["alarm"].tolist()


@settings(max_examples=25)
@given(data=st.data())
def test_one_row_at_a_time_equals_all_at_once_however_often_it_is_saved(data, tmp_path_factory):
    """Gaps, missing readings and categories, assets in any order between each other."""
    seed = data.draw(st.integers(0, 1000))
    rng = np.random.default_rng(seed)
    table = raw_rows(rows=24, seed=seed)
    table.loc[rng.random(len(table)) < 0.2, "s1"] = np.nan
    table.loc[rng.random(len(table)) < 0.2, "grade"] = None
    table = table[rng.random(len(table)) > data.draw(st.sampled_from([0.0, 0.1, 0.4]))]
    table = table.sample(frac=1, random_state=seed).sort_values("when", kind="stable")
    saves = data.draw(st.sets(st.integers(0, len(table)), max_size=3))
    state = tmp_path_factory.mktemp("stream") / "state.json"
    scorer, scores = StreamScorer(BUNDLE), []
    for number, row in enumerate(rows_of(table)):
        if number in saves:
            scorer.save(state)
            scorer = load_stream(BUNDLE, state)
        scores.append(scorer.score(row))
    assert_same(scores, score_table(BUNDLE, table))


def test_some_rows_raise_alarms_so_that_the_comparison_is_of_something():
    batch = score_table(BUNDLE, raw_rows(rows=24))
    assert 0 < batch["alarm"].sum() < len(batch)


def test_a_row_that_has_no_score_says_why():
    exclude = [{"from": "2024-03-01 00:03", "to": "2024-03-01 00:04"}]
    ingest = {**tiny_config().dump()["ingest"], "exclude": exclude}
    bundle = tiny_bundle(tiny_config(ingest=ingest))
    scorer = StreamScorer(bundle)
    scores = [scorer.score(row) for row in rows_of(raw_rows(20, ("m1",))[2:6])]
    assert [score.reason for score in scores] == [None, "excluded", "excluded", None]
    assert [score.probability is None for score in scores] == [False, True, True, False]


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        ({"s1": "Bad"}, "the row of asset 'm1': text in number: s1: Bad"),
        ({"s1": [1, 2]}, "'s1' holds list"),
        ({"when": "soon"}, "the row of asset 'm1'.*'soon' is in no time format"),
        ({"when": None}, "has no time|have no time"),
        ({"when": 17}, "but the model knows time as points in time"),
        ({"machine": None}, "has no asset"),
        ({"when": datetime(2024, 3, 1)}, "2024-03-01 00:00:00 is not later than its last one"),
    ],
)
def test_a_bad_row_is_refused_with_words_and_the_next_good_one_is_scored(spoil, said):
    first, second, third = rows_of(raw_rows(8, ("m1",))[:3])
    plain, tried = StreamScorer(BUNDLE), StreamScorer(BUNDLE)
    expected = [plain.score(row) for row in (first, second, third)]
    tried.score(first)
    with pytest.raises(DataError, match=said):
        tried.score({**second, **spoil})
    assert [tried.score(row) for row in (second, third)] == expected[1:]


def test_a_row_that_lacks_a_column_is_refused():
    row = rows_of(raw_rows(1, ("m1",)))[0]
    del row["s2"]
    with pytest.raises(ModelError, match="it lacks s2"):
        StreamScorer(BUNDLE).score(row)


def test_numbers_and_times_as_text_are_read_as_in_files():
    rows = rows_of(raw_rows(8, ("m1",)))
    texts = [{**row, "s1": str(row["s1"]), "when": str(row["when"]), "y": "?"} for row in rows]
    as_they_are, as_text = StreamScorer(BUNDLE), StreamScorer(BUNDLE)
    assert [as_text.score(row) for row in texts] == [as_they_are.score(row) for row in rows]


def test_decimal_commas_are_read_as_in_files_and_thousands_are_not_guessed():
    bundle = tiny_bundle(tiny_config(ingest={**tiny_config().dump()["ingest"], "decimal": ","}))
    row = rows_of(raw_rows(2, ("m1",)))[0]
    plain = StreamScorer(bundle).score({**row, "s1": 12.5})
    assert StreamScorer(bundle).score({**row, "s1": "12,5"}).probability == plain.probability
    with pytest.raises(DataError, match=r"s1: 1\.234"):
        StreamScorer(bundle).score({**row, "s1": "1.234"})


def test_a_number_too_large_to_be_one_ends_no_stream():
    scorer, rows = StreamScorer(BUNDLE), rows_of(raw_rows(2, ("m1",)))
    scorer.score({**rows[0], "s1": 10**400})
    assert scorer.score(rows[1]).reason is None


def test_another_models_state_and_what_is_no_state_are_refused(tmp_path):
    scorer = StreamScorer(tiny_bundle(digest="a" * 64))
    scorer.save(tmp_path / "state.json")
    with pytest.raises(ModelError, match=r"state of another model \(a{12}, not b{12}\)"):
        load_stream(tiny_bundle(digest="b" * 64), tmp_path / "state.json")
    (tmp_path / "other.json").write_text("[1]")
    with pytest.raises(ModelError, match="holds no state of a stream"):
        load_stream(BUNDLE, tmp_path / "other.json")
    with pytest.raises(DataError, match="cannot be read"):
        load_stream(BUNDLE, tmp_path / "none.json")


@pytest.mark.parametrize(
    ("trained", "rows"),
    [
        (["true", "false", "maybe"], ["true", "true", "false", "maybe"]),
        # As of a typed column, and of a text in which nothing else stood.
        (["1", "0"], ["TRUE", "true", "false", "new"]),
    ],
)
def test_a_truth_value_is_one_category_whatever_stands_beside_it(trained, rows):
    bundle = bundle_of_grades(trained)
    table = raw_rows(20, ("m1",)).assign(grade=rows * 5)
    batch = score_table(bundle, table)

    scorer = StreamScorer(bundle)
    assert_same([scorer.score(row) for row in rows_of(table)], batch)
    alone = score_table(bundle, table.assign(grade="true"))["probability"]
    typed = score_table(bundle, table.assign(grade=True))["probability"]
    never_seen = score_table(bundle, table.assign(grade="else"))["probability"]
    np.testing.assert_allclose(alone, typed, rtol=0, atol=1e-6)
    assert (alone - never_seen).abs().max() > 0.05


def bundle_of_grades(grades):
    draw = np.random.default_rng(0)
    frame = make_frame(
        {"a": range(0, 200 * MINUTE, MINUTE)},
        sensors={"s1": draw.normal(10, 2, 200), "s2": draw.normal(-1, 0.1, 200)},
        texts={"grade": draw.choice(grades, 200).tolist()},
        kind="datetime",
        interval=MINUTE,
    )
    encoder = fit_encoder(frame, np.ones(200, bool), tiny_config().channels)
    networks = tuple(random_network(len(encoder.channels), seed) for seed in range(2))
    return replace(BUNDLE, encoder=encoder, networks=networks)


def test_true_beside_dirt_is_a_number_in_a_table_as_it_is_alone():
    ingest = {**tiny_config().dump()["ingest"], "dirty_text": "missing"}
    bundle = tiny_bundle(tiny_config(ingest=ingest))
    table = raw_rows(12, ("m1",)).assign(s1=["true", "Bad", 9.5] * 4)
    scorer = StreamScorer(bundle)
    assert_same([scorer.score(row) for row in rows_of(table)], score_table(bundle, table))
