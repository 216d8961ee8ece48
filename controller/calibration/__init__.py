"""Calibration as numbers: policy, readings, fits, uncertainty, decisions. Pure: moves no pen, asks no clock.

*Shown* is what the pen says, *reference* what a traceable instrument says of the same state; *error* is true minus
shown. Interfaces carry whole numbers with their unit in the name; floating point stays inside.
"""
