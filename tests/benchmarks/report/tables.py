"""What tests read from the report's groups and tables."""

from benchmarks.report.numbers.groups import group
from benchmarks.report.numbers.notes import notes
from benchmarks.report.numbers.runs import read_runs
from benchmarks.report.numbers.summary import summarise
from benchmarks.report.pages.comparison import tables

__all__ = ["bold_of", "notes_of", "only_group", "tables"]


def only_group(root):
    (found,) = group(read_runs([root]))
    return found


def bold_of(table):
    return {row[0].text: [cell.best for cell in row[1:]] for row in table.rows}


def notes_of(root):
    found = only_group(root)
    return " ".join(notes(found, summarise(found)))
