"""How a cell runs: each form turns the rule of a cell type into dynamics."""
