#!/bin/sh
# Start everything: make run. Arguments are make's: ./run_all.sh PORT=8001
cd "$(dirname "$0")" && exec make run "$@"
