"""Ingestion: files in, one validated, sorted and segmented SensorFrame out."""
