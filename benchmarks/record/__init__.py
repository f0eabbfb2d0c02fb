"""What a run folder holds. Free of torch; written by runs, read by reports."""
