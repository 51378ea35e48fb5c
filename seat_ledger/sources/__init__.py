"""Files from elsewhere, and the mappings that say how they are read (R82)."""
