"""From events or a table to scores of customers: the job ``insights``, its child and its server."""
