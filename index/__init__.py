"""Where an answer is found: vector, lexical and snapshot indexes. Vectors and integer terms in, ids out."""
