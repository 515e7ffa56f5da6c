"""Run the notebook's cells in their order, keep it with what they show, and print that."""

from pathlib import Path

import nbformat
from nbclient import NotebookClient

notebook = nbformat.read("iris.ipynb", as_version=4)
NotebookClient(notebook, kernel_name="python3", timeout=300).execute()
nbformat.write(notebook, Path("executed.ipynb"))

outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
print("".join(output.text for output in outputs if output.output_type == "stream" and output.name == "stdout"), end="")
if "<table" in outputs[-1].get("data", {}).get("text/html", ""):
    print("the last cell shows a table")
