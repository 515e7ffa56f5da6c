"""An audit from the log alone: what happened, when, what did the project look like then, and is the record whole."""

import sys
from pathlib import Path

import datmo

TRAIN = Path("train.py")


def train(project: datmo.Project, rate: float) -> None:
    """Train once and keep what came of it."""
    TRAIN.write_text(f"rate = {rate}\nprint('accuracy:', 1 - rate)\n")
    task = project.tasks.run([sys.executable, "train.py"], name=f"rate {rate}")
    project.snapshots.create(f"trained at {rate}", task_id=task.id, config={"rate": rate})


with datmo.init(name="audited") as project:
    train(project, 0.5)
    position, _ = project.log.head()
    train(project, 0.1)
    project.snapshots.delete(project.snapshots.ls()[-1].id)

    print("What happened:")
    for event in project.log.read(types=["snapshot.*", "task.created", "task.finished"]):
        print(f"  {event.position:>3}  {event.recorded_at:%H:%M:%S}  {event.type:17} by {event.actor.user}")

    then = project.log.as_of(position)
    print(f"Snapshots at position {position}:", [each.message for each in then.snapshots])
    print("Snapshots now:", [each.message for each in project.snapshots.ls()])

    report, replayed = project.log.verify(), project.log.replay()
    print(f"Verified: {report.events} events, {len(report.problems)} problems")
    print("Replayed:", "views differ" if replayed.different else "the views are what the log says")
