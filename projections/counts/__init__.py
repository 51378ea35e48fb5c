"""How many seats were under contract, and how many were held, from when on."""
