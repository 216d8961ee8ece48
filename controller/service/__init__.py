"""Service mode: a technician moves a pen by hand, whatever its calibration, off skin and inside limits of its own."""
