"""Cost of one attention head, beside other simulators and beside a C loop: run from the clone, not installed."""
