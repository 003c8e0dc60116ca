"""The floor of a whole job: decode once, encode ten times, write ten files, change nothing."""

import pool


def setup() -> pool.Make:
    """Return what yields the photo itself, ten times."""
    return lambda image: [image] * pool.VARIANTS


if __name__ == "__main__":
    pool.run(setup)
