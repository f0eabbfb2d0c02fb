"""The pages of a report, one file for each form."""
