"""Training of the networks. The only room of torch and scikit-learn; never imported by the server."""
