"""Files of commands, many lines an append."""
