"""The local API: its calls and models, how they are served, and their client."""
