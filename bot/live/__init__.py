"""What customers do outside of conversations, as it arrives."""
