"""Jobs: the only places that compose stages."""
