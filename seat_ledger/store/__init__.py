"""The only room that knows how events are kept in PostgreSQL."""
