"""The made-up company: its texts, and a scripted customer who asks."""
