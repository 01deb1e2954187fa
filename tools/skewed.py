"""Run a module with a clock that is wrong: python -m tools.skewed SECONDS MODULE [ARGUMENT ...]

Everything in the process and in what it forks reads the wrong time; timers, which count only what passes, do not mind.
"""

import runpy
import sys
import time

import time_machine

if __name__ == "__main__":
    seconds, module, *arguments = sys.argv[1:]
    sys.argv = [module, *arguments]
    time_machine.travel(time.time() + float(seconds), tick=True).start()
    runpy.run_module(module, run_name="__main__", alter_sys=True)
