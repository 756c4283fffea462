"""Gates: what a candidate must show before it serves. Each looks at it beside production and answers with verdicts."""
