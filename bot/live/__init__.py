"""What customers do right now: events come in, and whoever listens hears of them."""
