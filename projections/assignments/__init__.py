"""Who has which seat now."""
