"""What the simulator is for: where a sequence announces events, the LSTM earns its place."""

from types import MappingProxyType

import pytest

from rareevent.jobs.contenders import BLEND, BOOSTING, LOGISTIC, LSTM
from rareevent.simulate import simulate
from tests.benchmarks.quality.figures import RECALL, judge_models
from tests.benchmarks.quality.measure import Task, measure, read
from tests.benchmarks.quality.recipes import DEFAULT, Recipe
from tests.benchmarks.quality.sets import PER_DAY, Piece, demo_piece

pytestmark = pytest.mark.slow
# A fleet that nothing was tried on.
SEED = 1201
LAST_ROW_ONLY = Recipe("lookback_1", MappingProxyType({"window.lookback": 1}))


@pytest.fixture(scope="module")
def judged(tmp_path_factory):
    """(recipe, model) -> its judgement at four false alarms a day."""
    folder = tmp_path_factory.mktemp("fleet")
    simulate(folder, seed=SEED, days=45, difficulty="medium")
    piece = demo_piece("fleet", folder)
    periods = {}
    for recipe in (DEFAULT, LAST_ROW_ONLY):
        mine = Piece(piece.name, recipe.of(piece.config), None)
        task = Task(mine, 1, recipe, PER_DAY[1:], folder / f"{recipe.name}.npz", "key")
        measure(task)
        periods[recipe.name] = [read(task)]
    names = [(DEFAULT.name, model) for model in (BLEND, LSTM, LOGISTIC, BOOSTING)]
    found = judge_models([periods], [*names, (LAST_ROW_ONLY.name, LSTM)], 1)
    return {key: judgement for key, (judgement,) in found.items()}


@pytest.mark.parametrize("model", [BLEND, LSTM])
def test_the_lstm_catches_clearly_more_than_the_best_baseline_at_the_same_budget(judged, model):
    ours = judged["default", model].figures[RECALL]
    for simple in (LOGISTIC, BOOSTING):
        more, (low, high) = ours.minus(judged["default", simple].figures[RECALL])
        print(f"{model} - {simple}: {more:+.3f} [{low:+.3f}, {high:+.3f}]")

        assert more >= 0.15
        assert low > 0


@pytest.mark.parametrize("metric", ["roc_auc", "pr_auc", RECALL])
def test_a_lookback_of_24_beats_one_of_1(judged, metric):
    ours, theirs = judged["default", LSTM], judged["lookback_1", LSTM]

    more, (low, high) = ours.figures[metric].minus(theirs.figures[metric])
    print(f"{metric}: {more:+.3f} [{low:+.3f}, {high:+.3f}]")
    assert low > 0
