"""The journal of one station: every event in order on its own disk, chained by hashes."""
