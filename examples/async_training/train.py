"""Two small networks trained side by side in one event loop; a third coroutine watches their metrics live."""

import json
import math
import random

import anyio
import anyio.lowlevel

import datmo.aio as datmo

POINTS, HIDDEN, EPOCHS = 80, 8, 60
RATES = (0.01, 0.1)


def moons(seed: int) -> list[tuple[float, float, float]]:
    """Return points on two half circles that reach into one another, and which one each is on."""
    chance = random.Random(seed)
    points = []
    for number in range(POINTS):
        angle, upper = math.pi * chance.random(), number % 2
        x, y = (math.cos(angle), math.sin(angle)) if upper else (1 - math.cos(angle), 0.5 - math.sin(angle))
        points.append((x + chance.gauss(0, 0.1), y + chance.gauss(0, 0.1), float(upper)))
    return points


class Network:
    """One hidden layer, trained point by point."""

    def __init__(self, seed: int) -> None:
        chance = random.Random(seed)
        self.hidden = [[chance.gauss(0, 1) for _ in range(3)] for _ in range(HIDDEN)]
        self.out = [chance.gauss(0, 0.5) for _ in range(HIDDEN + 1)]

    def learn(self, x: float, y: float, label: float, rate: float) -> float:
        """Take one step and return the loss before it."""
        inner = [math.tanh(a * x + b * y + c) for a, b, c in self.hidden]
        guess = 1 / (1 + math.exp(-sum(w * v for w, v in zip(self.out, [*inner, 1.0], strict=True))))
        error = guess - label
        for number, value in enumerate(inner):
            slope = error * self.out[number] * (1 - value * value)
            self.hidden[number] = [w - rate * slope * v for w, v in zip(self.hidden[number], (x, y, 1.0), strict=True)]
        self.out = [w - rate * error * v for w, v in zip(self.out, [*inner, 1.0], strict=True)]
        return -math.log(max(1e-9, guess if label else 1 - guess))


async def train(project: datmo.Project, rate: float) -> None:
    """Train one network as a task of this process."""
    async with project.track(f"moons at {rate}", config={"rate": rate}) as task:
        network, points = Network(seed=1), moons(seed=2)
        loss = math.inf
        for epoch in range(EPOCHS):
            loss = sum(network.learn(*point, rate) for point in points) / len(points)
            task.log(step=epoch, loss=loss)  # kept when it returns; the loop is not held up
            await anyio.lowlevel.checkpoint()  # where real code awaits its data
        await anyio.Path(f"weights-{rate}.json").write_text(json.dumps([network.hidden, network.out]))
        task.log_artifact(f"weights-{rate}.json")
        task.log_results(loss=loss)


async def watch(project: datmo.Project) -> None:
    """Say when each task's metrics arrive; any other process could do the same."""
    seen: set[str] = set()
    async for event in project.log.follow(after=0, types=["task.metrics"]):
        if event.entity_id not in seen:
            seen.add(event.entity_id)
            print(f"live: metrics of task {event.entity_id[:4]} arrive")
        if len(seen) == len(RATES):
            return


async def main() -> None:
    async with datmo.init(name="moons") as project:
        async with anyio.create_task_group() as group:
            group.start_soon(watch, project)
            for rate in RATES:
                group.start_soon(train, project, rate)
        best, other = await project.tasks.ls(sort="results.loss asc")
        snapshot = await project.snapshots.create("the better one", task_id=best.id, label="best")
        series = await project.tasks.metrics(best.id, "loss")
        print(f"{len(series.values)} losses from {series.values[0]:.2f} to {series.values[-1]:.2f}")
        print(f"{best.name} is better than {other.name}: kept as {snapshot.label}, {snapshot.stats['loss']:.2f}")


anyio.run(main)
