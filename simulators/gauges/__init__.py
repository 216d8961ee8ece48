"""Reference instruments that are not there: they see what a simulated pen truly does, and say it as real ones would."""
