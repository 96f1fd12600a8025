"""What comes next on a normal day, and how far from it a reading was: surprise, in NumPy alone."""
