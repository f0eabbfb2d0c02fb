"""The eight data sets, listed, fetched, checked and shown."""
