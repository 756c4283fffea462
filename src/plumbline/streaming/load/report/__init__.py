"""The report of a run for people: plots as SVG, tables as HTML, and the last words on the terminal."""
