"""Evaluation: catches and metrics, intervals, baselines, the verdict, fitting the alarm policy."""
