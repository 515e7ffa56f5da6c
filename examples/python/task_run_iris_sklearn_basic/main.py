"""Run a training in a container, as a recorded task, and keep it as a snapshot."""

from pathlib import Path

import datmo

with datmo.init(name="iris", description="iris flowers"):
    pass

task = datmo.task.run(command="python train.py")
print(f"{task.status} in {task.runs_on}")
print(dict(sorted(task.results.items())))

names = []
for file in task.files:
    with file:
        names.append(Path(file.name).name)
print(f"{', '.join(name for name in ('model.pkl', 'config.json') if name in names)} and task.log are kept")

snapshot = datmo.snapshot.create(message="logistic regression", label="best", task_id=task.id)
print("snapshot:", dict(sorted(snapshot.config.items())), dict(sorted(snapshot.stats.items())))
