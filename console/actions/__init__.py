"""What the commands do. Imported by a command when it runs, so that `--help` and `stop` import little."""
