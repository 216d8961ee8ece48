"""The technician's bench: a pen in service mode, measured, adjusted, and its certificate."""
