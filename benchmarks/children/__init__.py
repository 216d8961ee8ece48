"""Processes of their own that a measurement needs on the other side, or beside it. Not for people."""
