"""From a trained model to production and back: gates, a controller over a journal, a watch that decides."""
