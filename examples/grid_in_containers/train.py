"""Train a classifier on scikit-learn's handwritten digits, with the parameters of the task that this is."""

import json
import os
import pickle
from pathlib import Path

from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.svm import SVC

config = json.loads(Path(os.environ["DATMO_CONFIG"]).read_text())

digits = load_digits()
train_x, test_x, train_y, test_y = train_test_split(digits.data, digits.target, test_size=0.4, random_state=7)
model = SVC(C=config["C"], gamma=config["gamma"], kernel=config["kernel"]).fit(train_x, train_y)

Path(os.environ["DATMO_TASK_DIR"], "model.pkl").write_bytes(pickle.dumps(model))
print(f"accuracy: {model.score(test_x, test_y):.4f}")
