"""How pens do: what they counted, how that goes on, when they leave their limits, and how sure that is. Pure."""
