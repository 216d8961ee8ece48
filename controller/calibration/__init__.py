"""Calibration as numbers: policy, readings, fits, uncertainty, decisions. Pure; nothing here moves a pen or asks a clock.

*Shown* is what the pen says, *reference* what a traceable instrument says of the same state; *error* is true minus
shown. Interfaces carry whole numbers with their unit in the name; floating point stays inside.
"""
