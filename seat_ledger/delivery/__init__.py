"""Events for others: as CloudEvents, by a stream or by signed webhooks."""
