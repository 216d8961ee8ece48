"""Journal → MQTT → recorder: what goes over the bus, and who sends and takes it."""
