"""From a trained model to proven, reversible production: registry, packaging, model server, pipeline, experiments."""
