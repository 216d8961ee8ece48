"""Pens that speak another wire protocol, made to look like one that speaks ours: an adapter on the host's side."""
