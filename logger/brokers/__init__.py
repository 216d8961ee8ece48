"""MQTT brokers: where one is, the embedded one, and what a clinic's Mosquitto is configured with."""
