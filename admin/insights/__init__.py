"""Models of customers: who will leave, pay or buy, and what a customer is worth. No SQL, no HTTP."""
