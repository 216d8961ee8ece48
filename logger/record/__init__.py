"""What entries amount to: sessions, totals, overrides, look-back. Projections; nothing here writes an entry."""
