"""The program of the process that draws an SVG for svg.py; it imports nothing of variegate.

A drawing can ask for any amount of memory, and the library ends its process if there is no more. So
it is drawn in a process of its own that may not take more than it is given.

Arguments: the folder that holds resvg_py; bytes of memory; seconds of work. The drawing comes from
standard input, the PNG goes to standard output.
"""

import sys


def main() -> None:
    """Read, draw, write."""
    folder, memory, seconds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    sys.path.append(folder)
    import resvg_py

    try:
        import resource
    except ImportError:
        # Windows has no such limits.
        pass
    else:
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    text = sys.stdin.buffer.read().decode("utf-8")
    # No fonts of the system: the same image on every machine.
    sys.stdout.buffer.write(bytes(resvg_py.svg_to_bytes(svg_string=text, skip_system_fonts=True)))


if __name__ == "__main__":
    main()
