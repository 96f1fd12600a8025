"""The pyfunc: raw rows in memory in, the same scores as from files out, in the order they came."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from mlflow.exceptions import MlflowException

from rareevent.bundle import save_bundle
from rareevent.errors import DataError, ModelError
from rareevent.scoring.job import score_files
from rareevent.scoring.pyfunc import _load_pyfunc, score_table
from tests.bundles import raw_rows, tiny_bundle, tiny_config
from tests.scoring.fleets import fleet_bundle
from tests.scoring.outputs import scored


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model") / "bundle"
    save_bundle(tiny_bundle(), folder)
    return _load_pyfunc(str(folder))


def test_rows_in_memory_score_as_rows_in_files_do(model, tmp_path):
    raw_rows().to_parquet(tmp_path / "day.parquet")
    score_files(model.bundle, tmp_path / "day.parquet", tmp_path / "out")
    from_file = scored(tmp_path / "out")
    pd.testing.assert_frame_equal(model.predict(raw_rows()), from_file, check_dtype=False)


def test_rows_come_back_in_the_order_and_with_the_index_they_came_with(model):
    table = raw_rows()
    mixed = table.sample(frac=1, random_state=5)
    found = model.predict(mixed)
    assert found.index.tolist() == mixed.index.tolist()
    assert found["asset"].tolist() == mixed["machine"].tolist()
    assert found["time"].tolist() == mixed["when"].tolist()
    pd.testing.assert_frame_equal(found.sort_index(), model.predict(table))


def test_types_are_those_of_the_signature(model):
    found = model.predict(raw_rows())
    assert found.dtypes.astype(str).to_dict() == {
        "asset": "str",
        "time": "datetime64[us]",
        "probability": "float64",
        "alarm": "bool",
    }


def test_what_the_model_does_not_read_is_ignored_and_types_are_read_generously(model):
    table = raw_rows()
    expected = model.predict(table)
    table["y"], table["note"] = 1, "text"
    table["when"] = table["when"].astype(str)
    table["s1"] = table["s1"].astype(str)
    pd.testing.assert_frame_equal(model.predict(table), expected)


def test_a_row_given_twice_has_its_probability_twice_and_its_alarm_once(model):
    table = raw_rows(assets=("m1",))
    expected = model.predict(table)
    found = model.predict(pd.concat([table, table], ignore_index=True))
    assert found["probability"].tolist() == expected["probability"].tolist() * 2
    assert found["alarm"].tolist() == expected["alarm"].tolist() + [False] * len(table)


def test_a_row_that_cannot_be_scored_has_no_probability_and_no_alarm():
    exclude = [{"from": "2024-03-01 00:03", "to": "2024-03-01 00:04"}]
    ingest = {**tiny_config().dump()["ingest"], "exclude": exclude}
    found = score_table(tiny_bundle(tiny_config(ingest=ingest)), raw_rows(rows=20, assets=("m1",)))
    assert np.flatnonzero(found["probability"].isna()).tolist() == [3, 4]
    assert not found["alarm"][[3, 4]].any()


def test_no_rows_give_no_rows(model):
    found = model.predict(raw_rows()[:0])
    assert len(found) == 0
    assert list(found.columns) == ["asset", "time", "probability", "alarm"]
    assert found["time"].dtype == "datetime64[us]"


def test_a_single_row_is_scored(model):
    found = model.predict(raw_rows()[:1])
    assert found["probability"].between(0, 1).all()


def test_text_in_local_time_is_put_back_in_order():
    ingest = {**tiny_config().dump()["ingest"], "timezone": "Europe/Berlin"}
    bundle = tiny_bundle(tiny_config(ingest=ingest))
    table = raw_rows(rows=6, assets=("m2", "m1"))[::-1]
    found = score_table(bundle, table)
    assert found["asset"].tolist() == table["machine"].tolist()
    assert (table["when"] - found["time"] == pd.Timedelta(hours=1)).all()


@pytest.mark.parametrize(
    ("spoil", "said", "cause"),
    [
        (lambda t: t.drop(columns="s2"), "it lacks s2; the model needs time 'when'", ModelError),
        (lambda t: t.assign(s1="Bad"), "'s1'.*Bad", DataError),
        (lambda t: t.assign(when="soon"), "row 1 of the table.*soon", DataError),
        (lambda t: t.assign(machine=None), "rows have no asset", DataError),
    ],
)
def test_bad_rows_are_refused_with_a_message_that_a_server_passes_on(model, spoil, said, cause):
    with pytest.raises(MlflowException, match=said) as caught:
        model.predict(spoil(raw_rows()))
    assert caught.value.get_http_status_code() == 400
    assert isinstance(caught.value.__cause__, cause)


def test_what_is_no_table_is_refused(model):
    with pytest.raises(MlflowException, match="takes a table of raw rows; received list"):
        model.predict([[1, 2]])


@pytest.mark.parametrize("surprise", [0, 3])
@pytest.mark.parametrize(
    ("window", "memory"),
    [
        ({"lookback": 4}, 6),
        ({"lookback": 1, "windows": (2,)}, 3),
        ({"lookback": 6, "pad": "none"}, 6),
        ({"lookback": 3, "min_history": 15}, 6),
        ({"lookback": 5, "k": 3, "n": 7, "use": ("value",)}, 0),
    ],
)
def test_so_many_rows_make_a_request_and_one_fewer_do_not(window, memory, surprise):
    """The last of them is scored as by all rows of its asset, and told alike whether it is due."""
    bundle = fleet_bundle(silence=0, surprise=surprise, **window)
    assert bundle.encoder.memory == memory or surprise
    table = raw_rows(120, ("m1",), seed=4)[60:].reset_index(drop=True)
    middle = score_table(bundle, table)["probability"].median()
    bundle = replace(bundle, policy=replace(bundle.policy, threshold=middle))
    whole = score_table(bundle, table)
    ends = np.arange(bundle.request_rows + 2, len(table))
    expected = whole.iloc[ends - 1]

    def last_of(rows):
        found = [score_table(bundle, table[end - rows : end]).iloc[-1] for end in ends]
        probability = np.array([one["probability"] for one in found])
        apart = np.abs(probability - expected["probability"].to_numpy())
        alike = [one["alarm"] for one in found] == expected["alarm"].tolist()
        return np.nanmax(apart) if np.isfinite(probability).any() else np.inf, alike

    apart, alike = last_of(bundle.request_rows)
    assert (apart < 1e-6, alike) == (True, True)
    assert last_of(bundle.history_rows + 1)[0] < 1e-6
    assert last_of(bundle.history_rows)[0] > 2e-6
    assert 0 < expected["alarm"].sum() < len(expected)
