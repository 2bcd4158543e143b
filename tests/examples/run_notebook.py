"""``run_notebook.py NOTEBOOK RESULT``: runs a notebook in a kernel of this Python, and writes it with its outputs.

A program of its own: the libraries of the kernel's protocol leave sockets to the garbage collector.
"""

import sys

import nbformat
from nbclient import NotebookClient


def main(source, result):
    notebook = nbformat.read(source, as_version=4)
    NotebookClient(notebook, kernel_name="python3", timeout=60).execute()
    nbformat.write(notebook, result)


if __name__ == "__main__":
    main(*sys.argv[1:])
