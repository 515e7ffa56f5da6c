# Fits y = a x + b to points.csv by gradient descent. No Python: metrics go to the file that DATMO_OUTBOX names, a JSON
# object a line; results are lines `key: value` of the output; files are what is written to DATMO_TASK_DIR.
BEGIN { FS = "," }
{ x[NR] = $1; y[NR] = $2 }
END {
    outbox = ENVIRON["DATMO_OUTBOX"]
    for (step = 0; step < 300; step++) {
        da = db = mse = 0
        for (i = 1; i <= NR; i++) {
            error = a * x[i] + b - y[i]
            da += error * x[i] / NR
            db += error / NR
            mse += error * error / NR
        }
        a -= rate * da
        b -= rate * db
        if (step % 10 == 0) {
            printf "{\"log\": {\"mse\": %f}, \"step\": %d}\n", mse, step >> outbox
            fflush(outbox)
        }
    }
    printf "a: %.1f\nb: %.1f\nmse: %.4f\n", a, b, mse
    print a, b > (ENVIRON["DATMO_TASK_DIR"] "/line.txt")
}
