"""Train a classifier on scikit-learn's iris flowers: what it prints, writes and measures is recorded."""

import json
import os
import pickle
from pathlib import Path

from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

config = {"C": 1.0, "max_iter": 200, "test_size": 0.3, "seed": 7}

flowers = load_iris()
train_x, test_x, train_y, test_y = train_test_split(
    flowers.data, flowers.target, test_size=config["test_size"], random_state=config["seed"]
)
model = LogisticRegression(C=config["C"], max_iter=config["max_iter"]).fit(train_x, train_y)

# Whatever lies in the task folder at the end belongs to the task. Without Datmo it is the working folder.
folder = Path(os.environ.get("DATMO_TASK_DIR", "."))
(folder / "model.pkl").write_bytes(pickle.dumps(model))
(folder / "config.json").write_text(json.dumps(config))

# Lines of the form `key: value` are the task's results.
print(f"train_accuracy: {model.score(train_x, train_y):.4f}")
print(f"test_accuracy: {model.score(test_x, test_y):.4f}")
