"""Training of the networks; the one room of torch and scikit-learn, never in the server."""
