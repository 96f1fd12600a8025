"""Training: class weights, samplers, callbacks and the fit."""
