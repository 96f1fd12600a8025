"""The stacked LSTM: its cell in NumPy, its construction in Keras."""
