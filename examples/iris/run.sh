#!/bin/sh
# From an empty folder to a snapshot: a training is run and recorded, and what it left is kept.
set -e
datmo init --name iris --description "first steps"
datmo task run "python train.py"
task=$(datmo task ls --limit 1 --format csv | tail -n 1 | cut -d , -f 1)
datmo snapshot create -m "the first model" --label first --task-id "$task"
datmo snapshot ls
