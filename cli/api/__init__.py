"""The HTTP API: the questions of the command line, each at an address of its own."""
