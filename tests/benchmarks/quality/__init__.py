"""How good: every model of the house and what it has to beat, on all data sets at hand.

    python -m tests.benchmarks.quality

`recipes.py` names what is compared, `sets.py` where; `measure.py` learns and judges one test
period as `rareevent backtest` does, `figures.py` puts test periods together, `tables.py` prints.
"""
