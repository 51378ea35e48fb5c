"""One command: read, decided over an account and its users, judged."""
