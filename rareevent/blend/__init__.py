"""Blend: the LSTM's logit, a linear model's and boosted trees', weighed and added, in NumPy."""
