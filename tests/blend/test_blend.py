"""The blend: a sum by hand, stored and read back, and nothing malformed let in."""

from dataclasses import replace

import numpy as np
import pytest

from rareevent.blend.blend import Blend, Simple, mix
from rareevent.blend.linear import Linear
from rareevent.bundle import load_bundle, save_bundle
from rareevent.errors import ModelError
from rareevent.ingestion import frame_from_table
from rareevent.scoring.engine import mean_logit, score_frame
from rareevent.windowing.temporalize import Windows
from tests.blend.forests import random_forest, stump_and_tree
from tests.bundles import raw_rows, tiny_bundle
from tests.test_bundle import edit


def by_hand() -> Blend:
    """Members over two channels at lookback 1."""
    linear = Simple(Linear(np.array([2.0, -1.0]), 0.5), shift=0.25)
    weights = {"lstm": 0.5, "logistic": 0.3, "boosting": 0.2}
    return Blend(weights, 1.5, linear, Simple(stump_and_tree(), shift=90.0))


def test_the_blend_is_the_weighted_sum_of_what_each_member_says():
    rows = np.array([[2, 3], [1, 0]], np.float32)
    windows = Windows(rows, np.array([0, 0]), np.array([0, 1]), lookback=1)
    lstm = np.array([4.0, -2.0])
    linear = [4 - 3 + 0.5 - 0.25, 2 - 0 + 0.5 - 0.25]
    trees = [120.25 - 90, 99.5 - 90]
    expected = [0.5 * (lstm[i] - 1.5) + 0.3 * linear[i] + 0.2 * trees[i] for i in range(2)]
    np.testing.assert_allclose(by_hand().logits(lstm, windows), expected, rtol=1e-12)


def test_a_member_without_weight_is_not_asked():
    weights = {"lstm": 0.75, "logistic": 0.25, "boosting": 0.0}
    blend = replace(by_hand(), weights=weights, trees=None)
    windows = Windows(np.ones((1, 2), np.float32), np.array([0]), np.array([0]), lookback=1)
    assert blend.logits(np.array([2.5]), windows).tolist() == [0.75 * 1.0 + 0.25 * 1.25]
    again = Blend.from_arrays(blend.to_arrays(), channels=2, lookback=1)
    assert again.trees is None
    assert mix({"a": 1.0, "b": 0.0}, {"a": np.ones(2)}).tolist() == [1, 1]


def change(name, value):
    return lambda arrays: arrays.update({name: np.asarray(value)})


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda a: a.pop("weights"), "lacks 'weights'"),
        (lambda a: a.pop("lstm.shift"), "lacks 'lstm.shift'"),
        (lambda a: a.pop("logistic.shift"), "lacks 'logistic.shift'"),
        (change("weights", [0.5, 0.5]), "'weights' must hold numbers"),
        (change("weights", [0.5, 0.5, 0.5]), "add up to 1"),
        (change("weights", [1.5, -0.5, 0.0]), "add up to 1"),
        (change("weights", [np.nan, 0.5, 0.5]), "must be finite"),
        (change("weights", [0.5, 0.5, 0.0]), "unknown arrays"),
        (change("boosting.shift", np.inf), "must be finite"),
        (change("logistic/weights", [1.0]), "must read 2 columns"),
        (change("logistic/weights", [1.0, np.nan]), "must be finite"),
        (change("logistic/weights", [[1.0], [1.0]]), "'weights' must hold"),
        (change("logistic/weights", 1.0), "'weights' must hold"),
        (change("boosting/features", 3), "must read 2 columns"),
        (change("boosting/left", np.zeros(8, np.int32)), "leaves must have no children"),
        (change("spoon", 1.0), "unknown arrays"),
    ],
)
def test_malformed_blends_are_refused_by_name(damage, said):
    arrays = by_hand().to_arrays()
    Blend.from_arrays(arrays, channels=2, lookback=1)
    damage(arrays)
    with pytest.raises(ModelError, match=said):
        Blend.from_arrays(arrays, channels=2, lookback=1)


def blended_bundle():
    """The tiny bundle with a blend over its channels."""
    bundle = tiny_bundle()
    channels, rng = len(bundle.encoder.channels), np.random.default_rng(4)
    trees = random_forest(rng, trees=12, leaves=15, features=4 * channels)
    linear = Linear(rng.normal(size=channels), 0.1)
    weights = {"lstm": 0.4, "logistic": 0.35, "boosting": 0.25}
    return replace(bundle, blend=Blend(weights, 0.2, Simple(linear, -0.3), Simple(trees, 0.6)))


def frame_of(bundle, table):
    return frame_from_table(table, bundle.config.ingest, bundle.clock, bundle.needs)[0]


def test_a_bundle_keeps_its_blend_and_scores_by_it(tmp_path):
    bundle = blended_bundle()
    save_bundle(bundle, tmp_path / "b")
    loaded = load_bundle(tmp_path / "b")
    frame = frame_of(bundle, raw_rows())
    assert loaded.blend.weights == bundle.blend.weights
    np.testing.assert_array_equal(
        score_frame(loaded, frame).logit, score_frame(bundle, frame).logit
    )
    alone = score_frame(replace(bundle, blend=None), frame).logit
    assert np.abs(score_frame(bundle, frame).logit - alone).max() > 0.1


def test_a_bundle_without_a_blend_scores_by_the_lstm_alone(tmp_path):
    save_bundle(tiny_bundle(), tmp_path / "b")
    assert load_bundle(tmp_path / "b").blend is None


def test_a_blend_that_does_not_fit_the_bundles_channels_is_refused(tmp_path):
    bundle = blended_bundle()
    narrow = Simple(Linear(np.ones(2), 0.0), 0.0)
    save_bundle(replace(bundle, blend=replace(bundle.blend, linear=narrow)), tmp_path / "b")
    with pytest.raises(ModelError, match="'logistic' must read"):
        load_bundle(tmp_path / "b")


def test_rows_cut_off_and_assets_apart_change_no_blended_score():
    bundle = blended_bundle()
    table = raw_rows(rows=50, assets=("m1",))
    whole = score_frame(bundle, frame_of(bundle, table))
    both = score_frame(bundle, frame_of(bundle, raw_rows(rows=50)))
    np.testing.assert_allclose(both.probability[both.asset == 0], whole.probability, atol=1e-5)
    for kept in (1, 7, 33):
        part = score_frame(bundle, frame_of(bundle, table[:kept]))
        np.testing.assert_allclose(part.probability, whole.probability[:kept], atol=1e-5)


def test_no_window_has_no_blended_logit():
    bundle = blended_bundle()
    rows = np.zeros((1, len(bundle.encoder.channels)), np.float32)
    empty = np.zeros(0, np.int64)
    assert mean_logit(bundle, Windows(rows, empty, empty, 4)).shape == (0,)


def test_a_bundle_of_the_format_without_blends_still_loads(tmp_path):
    save_bundle(tiny_bundle(), tmp_path / "b")

    def as_before(plain):
        plain["version"] = 1
        del plain["blend"], plain["config"]["model"]["blend"]

    edit(tmp_path / "b", as_before)
    assert load_bundle(tmp_path / "b").blend is None
