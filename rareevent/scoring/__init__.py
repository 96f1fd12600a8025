"""Scoring: the batch job, its inputs and outputs, and the MLflow pyfunc."""
