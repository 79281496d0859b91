"""One module for each command; each imports what it needs only when it runs."""
