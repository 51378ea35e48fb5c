"""The published JSON Schemas: files alone, which ``scripts/reference`` writes."""
