"""MLflow: runs, metrics and the registry."""
