"""Simulated pens that speak another wire protocol, on the same motor, needles, tissue and battery."""
