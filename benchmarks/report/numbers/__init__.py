"""The numbers of a report: runs as they are read, grouped and summed up."""
