"""What code inside a task says to whoever records it: metrics, configuration, results and files.

```python
import datmo

task = datmo.task.current()
task.log(step=3, loss=0.2)
task.log_results(accuracy=0.97)
```

It stands on the standard library alone (orjson is used where it is installed), so that it also works where only this
folder is: a container whose image has no Datmo gets it under the name `datmo`, with `datmo.task.current` in it.

**The outbox, for any language.** The environment variable `DATMO_OUTBOX` names a file. Append JSON objects to it, one a
line, in UTF-8, the file opened for appending (`O_APPEND`), each line with its newline in one write of at most 65,536
bytes: what was written so is kept, whatever becomes of the process, and lines of several processes do not mix. An
object has one or more of

==================================================  ==================================================================
``{"log": {"loss": 0.2}, "step": 3, "time": 17.5}``  points of metrics, each with its name; ``step`` is an integer, by
                                                    default one more than the series' last; ``time`` is seconds since
                                                    1970, by default when the line was read
``{"config": {"lr": 0.1}}``                         configuration: added to what there is, later values win
``{"results": {"accuracy": 0.97}}``                 results: likewise
``{"artifact": "model.pt"}``                        a file below `DATMO_TASK_DIR`, to be stored now
==================================================  ==================================================================

Numbers that JSON cannot say are ``{"$float": "nan"}``, ``"inf"`` and ``"-inf"``, as in the event log; the bare ``NaN``,
``Infinity`` and ``-Infinity`` of many writers are understood, too. In configuration and results a key that begins with
``$`` gets one more. A line that is none of these is counted, reported and passed over; the task goes on. In a shell:
``echo '{"log": {"loss": 0.2}}' >> "$DATMO_OUTBOX"``.
"""

from __future__ import annotations

from datmo.inside.tasks import CurrentTask, current, entered

__all__ = ["CurrentTask", "current", "entered"]
