"""A full-screen program, as an editor is one: another screen, its size, keys one by one.

``q`` ends it as a good program ends; ``x`` ends it at once, with everything left as it is.
"""

import os
import signal
import sys
import termios
import tty


def write(text):
    os.write(1, text.encode())


def draw(*_):
    size = os.get_terminal_size(1)
    write("\x1b[2J\x1b[H")
    for line in range(1, size.lines):
        write("\x1b[{};1H~".format(line))
    write("\x1b[{};1H\x1b[7m{}x{}\x1b[0m".format(size.lines, size.lines, size.columns))
    write("\x1b[1;3H")


def main():
    before = termios.tcgetattr(0)
    tty.setraw(0)
    signal.signal(signal.SIGWINCH, draw)
    # Another screen, keys of the application, no cursor, a mouse, a region that scrolls.
    write("\x1b[?1049h\x1b=\x1b[?1h\x1b[?25l\x1b[?1000;1006h\x1b[2;5r")
    draw()
    while True:
        key = os.read(0, 1)
        if key == b"x":
            os._exit(7)
        if key == b"q":
            write("\x1b[r\x1b[?1000;1006l\x1b[?25h\x1b[?1l\x1b>\x1b[?1049l")
            termios.tcsetattr(0, termios.TCSAFLUSH, before)
            sys.exit(4)
        write("\x1b[2;3Hkey {:<4}".format(key.hex()))


if __name__ == "__main__":
    main()
