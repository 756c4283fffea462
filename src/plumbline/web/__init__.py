"""The one-port app: site, search, diagnostics and component APIs."""
