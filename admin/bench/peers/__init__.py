"""Programs that run in the peers' environment: what one would build instead, written plainly.

They import their libraries where they run, as nothing of theirs is installed beside the product.
"""
