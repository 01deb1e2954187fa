"""manage.py on the demo's database, whether the demo is running or not, or in the compose stack's web container.

python -m tools.manage migrate
"""

import sys

from tools import here

if __name__ == "__main__":
    sys.exit(here.run(["python", "manage.py", *sys.argv[1:]]))
