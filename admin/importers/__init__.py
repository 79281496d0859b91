"""Files that people have, read into rows: knowledge bases and past tickets."""
