"""The people's side: words in, answers out."""
