"""Files from elsewhere, read strictly."""
