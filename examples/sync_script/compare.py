"""The sync API in a script: run some trainings, keep the best one, read back what it left."""

import json

import datmo

with datmo.init(name="line") as project:
    tasks = [project.tasks.run(f"python train.py {rate}", name=f"rate {rate}") for rate in (0.001, 0.01, 0.1)]
    best = min(tasks, key=lambda task: task.results["mse"])

snapshot = datmo.snapshot.create(message=f"best of {len(tasks)}: {best.name}", task_id=best.id, label="best")
(kept,) = datmo.snapshot.ls(filter="best")
line = json.load(next(file for file in kept.files if file.name.endswith("line.json")))
print(kept.message)
print(f"y = {line['slope']:.1f} x + {line['intercept']:.1f}, mse {kept.stats['mse']:.3f}")
