"""Tables and figures from run folders. Nothing here trains or loads a model."""

from benchmarks.report.blocks import fill
from benchmarks.report.numbers.runs import DamagedRunError, ReportError
from benchmarks.report.write import FORMATS, block_text, print_report

__all__ = ["FORMATS", "DamagedRunError", "ReportError", "block_text", "fill", "print_report"]
