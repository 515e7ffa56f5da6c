#!/bin/sh
set -e
datmo init --name awk --description "a program that is not Python"
datmo task run -- awk -v rate=0.1 -f fit.awk points.csv
task=$(datmo task ls --limit 1 --format csv | tail -n 1 | cut -d , -f 1)
datmo snapshot create -m "the line" --label line --task-id "$task"
datmo snapshot ls
