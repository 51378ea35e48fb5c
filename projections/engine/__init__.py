"""How projections are made, kept up to date, rebuilt and checked."""
