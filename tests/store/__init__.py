"""The durable store: one contract for every database, then what is particular to SQLite."""
