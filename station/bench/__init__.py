"""The technician's bench: one pen, one technician, the site's record, and no patient. For scripts and commands."""

from station.bench.bench import TechnicianBench as TechnicianBench
from station.bench.opening import open_bench as open_bench
