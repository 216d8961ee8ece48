"""A station seen from outside: its machine's troubles, figures, and events as log lines."""
