"""What a station is to its system: processes, signals, threads, exit codes, supervision."""
