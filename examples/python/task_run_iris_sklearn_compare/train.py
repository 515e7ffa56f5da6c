"""Train a classifier on scikit-learn's iris flowers, with the C that it is given."""

import os
import pickle
from pathlib import Path

from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

c = float(os.environ["DATMO_PARAM_C"])  # a task's parameters are variables

flowers = load_iris()
train_x, test_x, train_y, test_y = train_test_split(flowers.data, flowers.target, test_size=0.3, random_state=7)
model = LogisticRegression(C=c, max_iter=200).fit(train_x, train_y)
Path("model.pkl").write_bytes(pickle.dumps(model))
print(f"test_accuracy: {model.score(test_x, test_y):.4f}")
