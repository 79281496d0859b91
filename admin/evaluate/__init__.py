"""Measuring the product on corpora; heavy libraries are welcome here alone."""
