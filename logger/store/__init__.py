"""The recorder's store on SQLite or PostgreSQL: its tables, their versions, backup and check."""
