"""Whether a record is what was journalled: chains, signed checkpoints, anchors, verification."""
