"""Ways to customers. Each module is one channel behind ``bot.ports.Channel``."""
