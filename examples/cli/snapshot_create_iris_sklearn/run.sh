#!/bin/sh
# From an empty project to a snapshot that can be found by its label.
set -e
datmo init --name iris --description "iris flowers"
python train.py
datmo snapshot create -m "logistic regression" --label best --filepaths model.pkl
datmo snapshot ls
datmo snapshot inspect best
