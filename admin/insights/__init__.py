"""Models of customers: who will leave, pay or buy, what a customer is worth. No SQL, no HTTP."""
