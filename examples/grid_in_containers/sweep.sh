# 32 trainings in containers, two at a time, on one image; the best one is kept.
set -e
datmo --quiet init --name digits
datmo task run -j 2 "python train.py" --env OMP_NUM_THREADS=1 \
    --grid kernel=rbf,sigmoid --grid C=0.1,1,10,100 --grid gamma=0.00001,0.0001,0.001,0.01 \
    --session "first grid" --rank results.accuracy 2>&1
best=$(datmo --quiet task ls --sort results.accuracy --limit 1 --format csv | sed -n "2s/,.*//p")
datmo --quiet snapshot create -m "best of the grid" --label best --task-id "$best"
datmo snapshot inspect best
