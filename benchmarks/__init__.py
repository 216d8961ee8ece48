"""How fast it is, measured as ratios: ``python -m benchmarks``. How and why stands in docs/benchmarks.md."""
