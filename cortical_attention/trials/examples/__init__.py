"""Examples of systems, one file each: `examples()` gives a list of Example."""

from importlib import import_module

FILES = ("attention", "hopfield", "layer_6b", "hippocampus", "areas", "block", "waves", "delta", "leaky")


def every_example():
    """Examples of all files, in their order (list of Example)."""
    return [
        example for name in FILES for example in import_module(f"cortical_attention.trials.examples.{name}").examples()
    ]
