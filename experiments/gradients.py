"""X.

Question: q

Run time: r
"""


def main():
    pass
