"""What tests read from the report's groups and tables."""

import csv
import io

from benchmarks.report.numbers.groups import group
from benchmarks.report.numbers.notes import notes
from benchmarks.report.numbers.runs import read_runs
from benchmarks.report.numbers.summary import summarise
from benchmarks.report.pages.comparison import tables
from benchmarks.report.pages.forms import pages

__all__ = ["bold_of", "lines_of", "notes_of", "only_group", "only_page", "tables"]


def only_group(root):
    (found,) = group(read_runs([root]))
    return found


def bold_of(table):
    return {row[0].text: [cell.best for cell in row[1:]] for row in table.rows}


def notes_of(root):
    found = only_group(root)
    return " ".join(notes(found, summarise(found)))


def only_page(root):
    (page,) = pages(read_runs([root]))
    return page


def lines_of(page):
    return list(csv.DictReader(io.StringIO(page.as_csv())))
