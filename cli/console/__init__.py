"""The console: read-only pages that answer support and auditors in a browser."""
