"""What a station does for its record: journalling, checkpoints, signing off, the recorder's process."""
