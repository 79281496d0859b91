"""What happens to a message: the server, its store, channels, API and agent desk."""
