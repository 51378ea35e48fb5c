"""The read side: events in, tables out, questions answered."""
