"""What the operator does: command line, panel, importers and evaluation."""
