"""What text means: features, networks, calibration, artefacts. Strings in, arrays out."""
