"""Alarms: from a score to a calibrated probability, from probabilities to raised alarms."""
