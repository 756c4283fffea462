"""A version as others can run it: OCI artefact and server image, written without an engine, byte for byte the same."""
