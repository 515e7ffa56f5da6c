"""Train a classifier on scikit-learn's iris flowers."""

import json
import pickle
from pathlib import Path

from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

config = {"C": 1.0, "max_iter": 200}

flowers = load_iris()
train_x, test_x, train_y, test_y = train_test_split(flowers.data, flowers.target, test_size=0.3, random_state=7)
model = LogisticRegression(C=config["C"], max_iter=config["max_iter"]).fit(train_x, train_y)

# New files in the working folder are the task's; config.json is its configuration.
Path("model.pkl").write_bytes(pickle.dumps(model))
Path("config.json").write_text(json.dumps(config))

# Lines of the form `key: value` are its results.
print(f"train_accuracy: {model.score(train_x, train_y):.4f}")
print(f"test_accuracy: {model.score(test_x, test_y):.4f}")
