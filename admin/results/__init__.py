"""The figures of docs/results.md: which commands are run, what is read from their reports."""
