"""Windowing: split, curve shift, channels, temporalization, scaling and the leak audit."""
