"""What text means: features, networks, calibration and artefacts. Strings and arrays in, arrays out."""
