"""Deployment as pure values: signatures, versions, verdicts, manifests. No I/O, no clock of its own."""
