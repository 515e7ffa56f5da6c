"""Train two classifiers on scikit-learn's iris flowers, and keep each as a snapshot."""

import pickle
from pathlib import Path

from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

import datmo

flowers = load_iris()
train_x, test_x, train_y, test_y = train_test_split(flowers.data, flowers.target, test_size=0.3, random_state=7)

with datmo.init(name="iris", description="iris flowers"):
    pass  # once is enough; done again it changes nothing

for c in (0.01, 1.0):
    model = LogisticRegression(C=c, max_iter=200).fit(train_x, train_y)
    accuracy = float(model.score(test_x, test_y))
    Path("model.pkl").write_bytes(pickle.dumps(model))
    datmo.snapshot.create(
        message=f"logistic regression, C={c}",
        filepaths=["model.pkl"],
        config={"C": c, "max_iter": 200},
        stats={"test_accuracy": accuracy},
    )
    print(f"C={c:<6} test accuracy {accuracy:.3f}")

snapshots = datmo.snapshot.ls(filter="logistic regression")
best = max(snapshots, key=lambda snapshot: snapshot.stats["test_accuracy"])
print(f"the best of {len(snapshots)}: C={best.config['C']}")
for file in best.get_files("rb"):
    with file:
        print(f"{Path(file.name).name} of it has {len(file.read())} bytes")
