"""The numbers of a report: runs read, grouped and summarised."""
