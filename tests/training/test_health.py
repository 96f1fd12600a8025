"""Gradient health: each rule on histories written out by hand, then on fits rigged to be ill."""

import json

import numpy as np
import pytest

from rareevent.config import ModelStage, TrainStage, WindowStage
from rareevent.errors import TrainingError
from rareevent.jobs.parts import window_part
from rareevent.jobs.prepare import fill_auto, prepare
from rareevent.lstm.backend import import_keras
from rareevent.lstm.build import build_stacked_lstm
from rareevent.training.fit import fit_lstm
from rareevent.training.health import (
    EpochHealth,
    LayerHealth,
    find_troubles,
    gradient_reach,
    layer_metrics,
)
from rareevent.training.trainer import Shape, Trainer, TrainingData
from tests.lstm.networks import draw_windows

ILL = {"skip_start": "zero", "screen": None, "projection": None, "units": (8, 6)}


def epoch(number, *, first=1.0, last=1.0, head=1.0, weights=2.0, steps=(0.5,), probe=None, **more):
    """An epoch of two layers of 100 weights each and a head of one."""
    layers = {
        "lstm_1": LayerHealth(100, first, weights, 0.1),
        "lstm_2": LayerHealth(100, last, weights, 0.1),
        "head": LayerHealth(1, head, 1.0, 0.1),
    }
    probe = None if probe is None else np.array(probe, np.float32)
    settings = {"finite": True, **more}
    return EpochHealth(number, settings["finite"], layers, np.array(steps, np.float32), probe)


def rules(*history):
    return [finding.rule for finding in find_troubles(history)]


def test_a_healthy_history_raises_nothing():
    assert rules(epoch(1, probe=[0.1, 0.5, 1]), epoch(2, probe=[0.01, 0.5, 1])) == []
    assert rules() == []


def test_what_is_no_number_is_found_in_its_epoch():
    (finding,) = find_troubles([epoch(1), epoch(2, finite=False)])

    assert (finding.rule, finding.epoch) == ("not_finite", 2)
    assert "lower train.learning_rate" in finding.sentence


def test_weights_explode_above_five_on_average():
    # A norm of 50 over 100 weights is 5 each.
    assert rules(epoch(1, weights=50.0)) == []
    assert rules(epoch(1, weights=50.1), epoch(2)) == ["weights_exploding"]


def test_gradients_explode_in_five_steps_in_a_row_even_across_epochs():
    high = 101.0

    assert rules(epoch(1, steps=[high] * 4 + [1]), epoch(2, steps=[high] * 4)) == []
    assert rules(epoch(1, steps=[1, high, high]), epoch(2, steps=[high] * 3)) == [
        "gradient_exploding"
    ]


def test_the_first_layer_is_starved_below_a_hundredth_of_the_last_but_not_in_the_first_epoch():
    assert rules(epoch(1, first=0.009)) == []
    assert rules(epoch(1), epoch(2, first=0.009)) == ["first_layer_starved"]
    assert rules(epoch(1), epoch(2, first=0.011)) == []
    assert rules(epoch(1), epoch(2, first=0.009), epoch(3)) == []


def test_a_gradient_that_reaches_back_three_steps_of_four_is_named_with_its_step():
    history = [epoch(1, probe=[0, 0, 0, 0]), epoch(2, probe=[9e-6, 1e-3, 0, 1]), epoch(3)]

    (finding,) = find_troubles(history)

    assert (finding.rule, finding.epoch) == ("no_gradient_beyond_step", 2)
    assert "of 4 steps the newest 3 are learned from: beyond step 3 back" in finding.words
    assert "shorten window.lookback" in finding.remedy


def test_a_recurrence_below_a_learning_head_that_gets_nothing_is_dead_not_starved():
    (finding,) = find_troubles([epoch(1), epoch(2, first=1e-12, last=1e-6, head=1.0)])

    assert finding.rule == "no_gradient_beyond_step"
    assert "reaches the recurrence at any step" in finding.words
    assert "units have died" in finding.remedy


def test_reach_counts_from_the_newest_step_to_the_oldest_that_gets_any():
    assert gradient_reach(np.array([9e-6, 1e-3, 0, 1], np.float32)) == 3
    assert gradient_reach(np.array([0.5, 0, 0], np.float32)) == 3
    assert gradient_reach(np.zeros(3, np.float32)) == 0


def test_an_epoch_becomes_flat_figures_for_a_log_and_plain_data_for_a_report():
    one = epoch(1, first=np.nan, probe=[1, 2], steps=[0.5, np.inf])

    assert layer_metrics(one)["weight_norm/lstm_1"] == 2.0
    assert layer_metrics(one)["gradient_reach"] == 2.0
    plain = json.loads(json.dumps(one.to_json(), allow_nan=False))
    assert plain["layers"]["lstm_1"]["gradient_norm"] is None
    assert plain["largest_step"] is None
    assert plain["input_gradient"] == [1.0, 2.0]


def noise(lookback=6, windows=600):
    """Windows and labels that have nothing to do with each other."""
    given = draw_windows([50] * (windows // 50), 5, lookback)
    labels = np.random.default_rng(1).random((windows, 1)) < 0.2
    return given, labels.astype(np.int8)


EXPLODING = (
    ModelStage(**ILL, activation="linear"),
    TrainStage(batch_size=64, clipnorm=None, learning_rate=1.0),
)


def test_a_network_rigged_to_explode_is_recognised_and_named():
    fitted = fit_lstm(*noise(), *EXPLODING, seed=1, epochs=3)

    assert [f.rule for f in fitted.findings] == ["weights_exploding", "gradient_exploding"]


@pytest.mark.parametrize("rule", ["gradient_exploding", "weights_exploding"])
def test_the_rules_of_terminate_on_end_the_fit_and_name_the_remedy(rule):
    model, train = EXPLODING

    with pytest.raises(TrainingError, match=rf"as train\.terminate_on asks: {rule}.*lower"):
        fit_lstm(
            *noise(), model, train.model_copy(update={"terminate_on": (rule,)}), seed=1, epochs=4
        )


def test_a_network_rigged_to_vanish_is_recognised_with_the_step():
    shut = ModelStage(**ILL, forget_bias=-8.0)

    fitted = fit_lstm(*noise(lookback=40), shut, TrainStage(batch_size=64), seed=1, epochs=2)

    (finding,) = fitted.findings
    assert finding.rule == "no_gradient_beyond_step"
    assert 1 < fitted.health[-1].reach < 10
    assert f"beyond step {fitted.health[-1].reach} back" in finding.words


def test_a_deep_stack_of_saturating_layers_starves_the_first():
    deep = ModelStage(**{**ILL, "units": (4,) * 6}, activation="sigmoid")

    fitted = fit_lstm(*noise(lookback=2), deep, TrainStage(batch_size=64), seed=1, epochs=2)

    assert [f.rule for f in fitted.findings] == ["first_layer_starved"]


def trainer_of(clipnorm, clipvalue):
    """A trainer on two windows of one class each, and the change that one step makes to SGD."""
    given, _ = noise(lookback=3)
    labels = np.array([[1], [0]], np.int8)
    windows = given.take(np.array([10, 60]))
    shape = Shape(3, 5, 1, ModelStage(**ILL), 0.0, clipnorm, clipvalue)
    weights = np.ones((1, 2), np.float32)
    return Trainer(shape), TrainingData(windows, labels, weights, np.ones(5, bool), 1e-3)


def test_values_are_clipped_before_norms_and_reported_norms_are_those_before_both():
    start = build_stacked_lstm(3, 5, ModelStage(**ILL), 1, seed=0)
    seen = {}
    for clips in ((None, None), (None, 1e-4)):
        trainer, data = trainer_of(*clips)
        given = []
        trainer._optimizer.apply = lambda grads, variables, into=given: into.extend(grads)
        trainer._compiled = trainer._step
        with trainer.fitting(start, data):
            steps = trainer.epoch([np.array([0, 1])])
        seen[clips] = steps.norms, max(float(np.abs(g).max()) for g in given)

    (plain, largest), (clipped, clipped_largest) = seen.values()
    np.testing.assert_allclose(plain, clipped, rtol=1e-5)
    assert largest > 1e-3
    assert clipped_largest == pytest.approx(1e-4)


def test_the_probe_is_the_gradient_of_each_windows_own_loss_without_the_skip():
    tf, _ = import_keras()
    stage = ModelStage(units=(4, 3), projection=3, skip_start="zero", screen=None, skip_dropout=0)
    model = build_stacked_lstm(6, 5, stage, 2, seed=0)
    rng = np.random.default_rng(0)
    model.set_weights([w + 0.3 * rng.standard_normal(w.shape) for w in model.get_weights()])
    given, _ = noise(lookback=6)
    windows = given.take(np.array([3, 70, 140]))
    labels = np.array([[1, 0], [0, 1], [0, -1]], np.int8)
    weights = np.array([[1, 5], [1, 2]], np.float32)
    trainer = Trainer(Shape(6, 5, 2, stage, 0.0, 1.0, None))

    with trainer.fitting(model, TrainingData(windows, labels, weights, np.ones(5, bool), 1e-3)):
        found = trainer.input_gradient(np.array([0, 1, 2]))

    squares = []
    for window, label in zip(windows.gather(), labels, strict=True):
        one = tf.constant(window[None])
        with tf.GradientTape() as tape:
            tape.watch(one)
            rows = tf.concat([one[:, :-1], one[:, -1:]], axis=1)
            logits = model(rows) - model.get_layer("skip")(rows[:, -1])
            logits += tf.stop_gradient(model.get_layer("skip")(one[:, -1]))
            known = (label >= 0).astype(np.float32)
            weight = np.where(label == 1, weights[:, 1], weights[:, 0]) * known
            loss = tf.nn.sigmoid_cross_entropy_with_logits(np.float32(label[None] == 1), logits)
            loss = tf.reduce_sum(weight * loss) / 2
        squares.append(np.sum(tape.gradient(loss, one).numpy()[0] ** 2, axis=1))
    np.testing.assert_allclose(found, np.sqrt(np.mean(squares, axis=0)), rtol=1e-4)


def test_layers_updates_and_probes_are_taken_down_for_every_fit():
    given, labels = noise(lookback=4)

    fitted = fit_lstm(given, labels, ModelStage(), TrainStage(batch_size=32), seed=1, epochs=5)

    assert [h.epoch for h in fitted.health] == [1, 2, 3, 4, 5]
    assert list(fitted.health[0].layers) == ["projection", "lstm_1", "lstm_2", "head"]
    # 19 steps an epoch, at least 30 between probes; the first and the last epoch have one.
    assert [h.input_gradient is not None for h in fitted.health] == [1, 0, 1, 0, 1]
    head = fitted.health[0].layers["head"]
    # The head starts at zero but for its bias, so in the first epoch it is all change.
    assert head.update_ratio == pytest.approx(1, abs=0.9)
    assert head.parameters == 8 + 1
    norms = [r.gradient_norm for r in fitted.history]
    assert norms == pytest.approx([float(h.step_norms.mean()) for h in fitted.health])


@pytest.mark.slow
@pytest.mark.parametrize(("seed", "lookback"), [(7, None), (8, None), (9, None), (7, 60)])
@pytest.mark.parametrize("which", ["demo", "sheet_break"])
def test_healthy_defaults_raise_no_finding(which, seed, lookback, request):
    config = request.getfixturevalue(f"{which}_pipeline")
    if lookback is not None:
        config = config.model_copy(update={"window": WindowStage(lookback=lookback)})
    prepared = fill_auto(prepare(config))
    part = window_part(prepared, prepared.split.test)

    fitted = fit_lstm(part.teach, part.target, config.model, config.train, seed=seed, epochs="auto")

    print(f"{which}, lookback {config.window.lookback}, seed {seed}: {extremes(fitted.health)}")
    assert fitted.findings == ()


def extremes(health):
    """What the rules look at, where it comes nearest to their bounds; docs/inside.md has it."""
    norms = np.sort(np.concatenate([seen.step_norms for seen in health]))
    layers = [layer for seen in health for layer in seen.layers.values()]
    weights = max(layer.weight_norm / layer.parameters**0.5 for layer in layers)
    first, last = (
        [
            seen.layers[name].gradient_norm / seen.layers[name].parameters ** 0.5
            for seen in health[1:]
        ]
        for name in ("lstm_1", "lstm_2")
    )
    starved = min(a / b for a, b in zip(first, last, strict=True))
    probes = [seen.input_gradient for seen in health[1:] if seen.input_gradient is not None]
    vanished = min(float(probe.min() / probe.max()) for probe in probes)
    return (
        f"largest gradient norms {norms[-1]:.3g} and {norms[-5]:.3g} (fifth), weights"
        f" {weights:.2f}, first to last layer {starved:.2f}, weakest to strongest step"
        f" {vanished:.1e}"
    )


@pytest.fixture(scope="module")
def demo_pipeline(tmp_path_factory):
    from rareevent.config import load_pipeline
    from rareevent.simulate import simulate
    from tests.conftest import REPOSITORY

    folder = tmp_path_factory.mktemp("fleet")
    simulate(folder, seed=3, days=30)
    source, events = folder / "sensors.parquet", folder / "events.csv"
    over = (f"ingest.source={source}", f"ingest.events.source={events}")
    return load_pipeline(REPOSITORY / "pipelines" / "demo.yaml", over)


@pytest.fixture
def sheet_break_pipeline(shared_data, tmp_path):
    """The first half of the rows: the second is for judging."""
    import pandas as pd

    from rareevent.config import load_pipeline
    from tests.conftest import REPOSITORY

    rows = pd.read_csv(shared_data("sheet_break.csv.gz"))
    half = tmp_path / "half.csv"
    rows.iloc[: len(rows) // 2].to_csv(half, index=False)
    return load_pipeline(REPOSITORY / "pipelines" / "sheet_break.yaml", (f"ingest.source={half}",))
