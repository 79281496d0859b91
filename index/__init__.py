"""Where an answer is found: vector, lexical and snapshot indexes; numbers in, ids out."""
