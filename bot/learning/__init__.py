"""Learning from the desk's own words: training set, child process, gate, publication, jobs."""
