#!/bin/sh
# Run every check, or the tests with a label: ./run_tests.sh tests/unit
cd "$(dirname "$0")" && exec make test LABEL="$*"
