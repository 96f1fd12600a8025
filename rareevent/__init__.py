"""rareevent: see a rare failure coming from sensor data, and know honestly how well you can.

What is named here is the public API, described in `docs/api.md`; everything else may change without
notice. A name is imported from where it lives when it is first asked for, so that `import
rareevent` costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rareevent.bundle import Bundle as Bundle
    from rareevent.bundle import load_bundle as load_bundle
    from rareevent.config import PipelineConfig as PipelineConfig
    from rareevent.config import load_pipeline as load_pipeline
    from rareevent.config import validate_pipeline as validate_pipeline
    from rareevent.errors import ConfigError as ConfigError
    from rareevent.errors import DataError as DataError
    from rareevent.errors import LeakError as LeakError
    from rareevent.errors import LockedError as LockedError
    from rareevent.errors import ModelError as ModelError
    from rareevent.errors import OutputError as OutputError
    from rareevent.errors import PromotionError as PromotionError
    from rareevent.errors import RareEventError as RareEventError
    from rareevent.errors import RareEventWarning as RareEventWarning
    from rareevent.errors import TrackingError as TrackingError
    from rareevent.errors import TrainingError as TrainingError
    from rareevent.jobs.audit import audit as audit
    from rareevent.jobs.backtest import backtest as backtest
    from rareevent.jobs.check import check as check
    from rareevent.jobs.evaluate import evaluate_model as evaluate_model
    from rareevent.jobs.explain import explain as explain
    from rareevent.jobs.fold import FoldPlan as FoldPlan
    from rareevent.jobs.promote import promote as promote
    from rareevent.jobs.refit import refit as refit
    from rareevent.jobs.rollback import champions as champions
    from rareevent.jobs.rollback import rollback as rollback
    from rareevent.jobs.runs import compare_runs as compare_runs
    from rareevent.jobs.score import score as score
    from rareevent.jobs.train import train as train
    from rareevent.jobs.tune import tune as tune
    from rareevent.scoring.job import ScoreOptions as ScoreOptions
    from rareevent.scoring.pyfunc import score_table as score_table
    from rareevent.scoring.stream import RowScore as RowScore
    from rareevent.scoring.stream import StreamScorer as StreamScorer
    from rareevent.scoring.stream import load_stream as load_stream
    from rareevent.tracking.home import Home as Home
    from rareevent.tracking.home import find_home as find_home
    from rareevent.tracking.resolve import resolve_model as resolve_model

__version__ = "0.1.0"

# Module -> the public names that live in it, in the order in which one meets them.
_HOMES = {
    "config": ("PipelineConfig", "load_pipeline", "validate_pipeline"),
    "jobs.check": ("check",),
    "jobs.audit": ("audit",),
    "jobs.train": ("train",),
    "jobs.fold": ("FoldPlan",),
    "jobs.backtest": ("backtest",),
    "jobs.tune": ("tune",),
    "jobs.evaluate": ("evaluate_model",),
    "jobs.runs": ("compare_runs",),
    "jobs.promote": ("promote",),
    "jobs.rollback": ("rollback", "champions"),
    "jobs.refit": ("refit",),
    "jobs.score": ("score",),
    "scoring.job": ("ScoreOptions",),
    "jobs.explain": ("explain",),
    "tracking.resolve": ("resolve_model",),
    "bundle": ("Bundle", "load_bundle"),
    "scoring.pyfunc": ("score_table",),
    "scoring.stream": ("StreamScorer", "load_stream", "RowScore"),
    "tracking.home": ("Home", "find_home"),
    "errors": (
        "RareEventError",
        "ConfigError",
        "DataError",
        "LeakError",
        "TrainingError",
        "ModelError",
        "OutputError",
        "LockedError",
        "TrackingError",
        "PromotionError",
        "RareEventWarning",
    ),
}
_MODULE_OF = {name: module for module, names in _HOMES.items() for name in names}
__all__ = [*_MODULE_OF, "__version__"]


def __getattr__(name: str) -> Any:
    """A public name, imported from where it lives."""
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(importlib.import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    """The public names beside what is imported already."""
    return sorted({*globals(), *__all__})
