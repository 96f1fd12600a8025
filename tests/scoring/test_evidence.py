"""Evidence of a bundle: whose credit it is, beside what, and that it adds up to the score."""

from dataclasses import replace

import numpy as np
import pytest

from rareevent.blend.blend import Blend, Simple
from rareevent.blend.linear import Linear
from rareevent.config import ChannelsStage
from rareevent.errors import DataError
from rareevent.scoring.attribution import channel_owners, quiet_row
from rareevent.scoring.engine import score_frame
from rareevent.scoring.evidence import find_evidence
from rareevent.windowing.fit_encode import fit_encoder
from rareevent.windowing.temporalize import temporalize
from tests.blend.forests import random_forest
from tests.bundles import raw_rows, tiny_bundle
from tests.forecast.persistence import draw_encoder
from tests.frames import make_frame
from tests.scoring.test_engine import frame_of


def draw_blend(channels, seed=0):
    rng = np.random.default_rng(seed)
    linear = Simple(Linear(rng.normal(size=channels), 0.5), shift=0.1)
    trees = Simple(random_forest(rng, 20, 8, 4 * channels), shift=-0.2)
    return Blend({"lstm": 0.5, "logistic": 0.2, "boosting": 0.3}, 0.7, linear, trees)


def reading_only(bundle, sensor):
    """The bundle with weights of all other sensors' channels at zero."""
    names, owner = channel_owners(bundle.encoder)
    reads = (owner == names.index(sensor)).astype(np.float32)[:, None]
    networks = tuple(
        replace(n, projection=(n.projection[0] * reads, n.projection[1]), skip=n.skip * reads)
        for n in bundle.networks
    )
    return replace(bundle, networks=networks)


@pytest.fixture(scope="module")
def scene():
    """A bundle, rows, their windows and scores."""
    bundle = tiny_bundle()
    frame = frame_of(bundle, raw_rows())
    windows, _ = temporalize(bundle.encoder.encode(frame), frame.segments, 4)
    return bundle, frame, windows


@pytest.mark.parametrize("blended", [False, True])
@pytest.mark.parametrize("at", [0, 1, 17, 119])
def test_credits_add_up_to_the_score_less_the_quiet_one(scene, at, blended):
    bundle, frame, windows = scene
    if blended:
        bundle = replace(bundle, blend=draw_blend(len(bundle.encoder.channels)))
    scores = score_frame(bundle, frame)

    found = find_evidence(bundle, windows.take(windows.ends == at))

    assert found.logit == pytest.approx(scores.logit[scores.row == at][0], abs=1e-5)
    assert found.probability == pytest.approx(scores.probability[scores.row == at][0], abs=1e-6)
    rise = found.logit - found.quiet_logit
    assert found.credit.sum() == pytest.approx(rise, rel=0.01, abs=2e-3)
    assert found.row_credit.sum() == pytest.approx(found.credit.sum())
    assert found.channel_credit.sum() == pytest.approx(found.cells.sum())
    # The second row of a segment has a window of two rows, the first of which is repeated.
    assert found.row.tolist() == list(range(max(0, at - 3), at + 1))
    assert found.without_from[0] == pytest.approx(found.quiet_probability)
    assert (np.diff(found.credit[found.order]) <= 0).all()


def test_a_model_that_reads_one_sensor_gives_it_all_the_credit(scene):
    bundle, _, windows = scene
    bundle = reading_only(bundle, "s2")

    found = find_evidence(bundle, windows.take(windows.ends == 25))

    credit = dict(zip(found.owners, found.credit, strict=True))
    without = dict(zip(found.owners, found.without, strict=True))
    assert credit["s1"] == credit["grade"] == 0
    assert credit["s2"] == pytest.approx(found.logit - found.quiet_logit, rel=0.01)
    assert without["s1"] == without["grade"] == pytest.approx(found.probability, abs=1e-6)
    assert without["s2"] == pytest.approx(found.quiet_probability, abs=1e-6)
    assert abs(found.probability - found.quiet_probability) > 0.01


def test_a_linear_model_alone_credits_the_last_row_exactly(scene):
    bundle, _, windows = scene
    linear = draw_blend(len(bundle.encoder.channels)).linear
    bundle = replace(bundle, blend=Blend({"lstm": 0.0, "logistic": 1.0}, 0.0, linear, None))
    quiet = quiet_row(bundle.encoder, bundle.profile)

    found = find_evidence(bundle, windows.take(windows.ends == 25))

    expected = linear.model.weights * (windows.rows[25].astype(float) - quiet)
    np.testing.assert_allclose(found.channel_credit, expected)
    assert not found.cells[:, :-1].any()


def test_a_channel_belongs_to_its_sensor_whatever_that_is_called():
    rng = np.random.default_rng(0)
    frame = make_frame(
        {"a": range(50)},
        sensors={"p.1": rng.normal(size=50), "p": rng.normal(size=50)},
        texts={"p.g=1": rng.choice(["x.y", "z"], 50).tolist()},
    )
    stage = ChannelsStage(use=["value", "change"], change_lags=[1])
    encoder = fit_encoder(frame, np.ones(50, bool), stage)

    names, owner = channel_owners(encoder)

    assert names == ("p.1", "p", "p.g=1")
    assert encoder.channels[:4] == ("p.1.value", "p.value", "p.1.change1", "p.change1")
    assert owner.tolist() == [0, 1, 0, 1, 2, 2, 2]


def test_surprise_belongs_to_its_sensor_and_what_all_share_to_none():
    rng = np.random.default_rng(0)
    sensors = {"s1": rng.normal(size=50), "s2": rng.normal(size=50)}
    encoder = draw_encoder(make_frame({"a": range(50)}, sensors=sensors), np.ones(50, bool))

    names, owner = channel_owners(encoder)

    assert names == ("s1", "s2", "(all)")
    for channel, number in zip(encoder.channels, owner, strict=True):
        assert channel.startswith(f"{names[number]}.")
    assert len(quiet_row(encoder, {"texts": {}})) == len(encoder.channels)


def test_the_quiet_row_has_medians_and_the_commonest_level():
    bundle = tiny_bundle()
    shares = bundle.profile["texts"]["grade"]["levels"]
    common = max(shares, key=shares.get)

    row = quiet_row(bundle.encoder, bundle.profile)
    quiet = dict(zip(bundle.encoder.channels, row, strict=True))

    assert [name for name, value in quiet.items() if value == 1] == [f"grade={common}"]
    assert {value for value in quiet.values() if value != 1} <= {0}


@pytest.mark.parametrize("tied", [slice(0, 60), slice(0, 90), slice(45, 80), slice(0, 100)])
def test_a_median_that_many_rows_share_is_a_score_that_they_have(tied):
    values = np.arange(100.0)
    values[tied] = values[tied.start]
    frame = make_frame({"a": range(100)}, sensors={"s": values})
    encoder = fit_encoder(frame, np.ones(100, bool), ChannelsStage(use=["value"]))

    (quiet,) = quiet_row(encoder, {"texts": {}})

    assert quiet == encoder.encode(frame)[tied.start, 0]


@pytest.mark.parametrize("scaling", ["quantile", "standard"])
@pytest.mark.parametrize("clip", [5.0, 1.0])
def test_the_median_of_what_does_not_tie_is_zero(scaling, clip):
    frame = make_frame({"a": range(101)}, sensors={"s": np.arange(101.0) ** 2})
    stage = ChannelsStage(use=["value"], scaling=scaling, clip=clip)
    encoder = fit_encoder(frame, np.ones(101, bool), stage)

    assert abs(quiet_row(encoder, {"texts": {}})[0]) < 1e-6


def test_several_windows_are_refused(scene):
    bundle, _, windows = scene

    with pytest.raises(DataError, match="one window at a time; received 120"):
        find_evidence(bundle, windows)
