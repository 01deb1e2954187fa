#!/bin/sh
# Print the Python to build .venv with: the first that is new enough and can make a venv. Each candidate is run, because
# a name on the PATH (a pyenv shim, say) need not be a Python. If none will do, tools/bootstrap.py says what is missing.
for python in python3.13 python3.12 python3.11 python3; do
    "$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && echo "$python" && exit
done
for python in python3.13 python3.12 python3.11; do
    "$python" -c '' >/dev/null 2>&1 && echo "$python" && exit
done
echo python3
