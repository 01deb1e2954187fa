"""manage.py on the demo's database, whether the demo is running or not: python -m tools.manage migrate"""

import os
import sys

from django.core.management import execute_from_command_line

from tools.environment import for_demo

if __name__ == "__main__":
    os.environ.update(for_demo("127.0.0.1"))
    execute_from_command_line(["manage.py", *sys.argv[1:]])
