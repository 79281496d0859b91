"""The panel's pages: each module has ``routes()`` and the handlers behind them."""
