"""rareevent: see a rare failure coming from sensor data, and know honestly how well you can."""

__version__ = "0.1.0"
