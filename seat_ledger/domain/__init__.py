"""What happened and what may happen: events, aggregates, rules. Pure."""
