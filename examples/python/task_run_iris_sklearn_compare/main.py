"""Run a training with two settings, compare the results, and keep the better one."""

import datmo

with datmo.init(name="iris", description="iris flowers") as project:
    specs = [datmo.task.TaskSpec("python train.py", parameters={"C": c}) for c in (0.001, 1.0)]
    tasks = project.tasks.map(specs, limit=2)
    for task in tasks:
        print(f"C={task.config['C']:<6} {task.status}  test_accuracy={task.results['test_accuracy']}")

    worse, better = sorted(tasks, key=lambda task: task.results["test_accuracy"])
    kept = project.snapshots.create("the better one", label="best", task_id=better.id)
    other = project.snapshots.create("the other one", task_id=worse.id)
    print(f"kept: C={kept.config['C']}")
    for change in project.snapshots.diff(other.id, kept.id).config:
        print(f"config {change.key}: {change.before} -> {change.after}")
