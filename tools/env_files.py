"""Write the secrets that the compose stack reads: python -m tools.env_files [--production]

.env for docker-compose.yml; with --production the files in secrets/ for docker-compose.prod.yml. What is there stays.
"""

import os
import secrets
import sys
from pathlib import Path

from tools.bootstrap import ROOT


def env_text() -> str:
    return (
        "# For docker-compose.yml: what else it reads is in .env.example.\n"
        f"SECRET_KEY={secrets.token_urlsafe(50)}\n"
        f"POSTGRES_PASSWORD={secrets.token_urlsafe(24)}\n"
        "ALLOWED_HOSTS=localhost,127.0.0.1\n"
        "SECURE_SSL_REDIRECT=off\n"
    )


def production_texts() -> dict[str, str]:
    """Each secret by the name of its file. Valkey's password is in two: as it reads it, and as a URL."""
    password = secrets.token_urlsafe(24)
    return {
        "secret_key": secrets.token_urlsafe(50),
        "db_owner_password": secrets.token_urlsafe(24),
        "db_app_password": secrets.token_urlsafe(24),
        "redis_url": f"redis://:{password}@redis:6379/0",
        "redis_conf": f"requirepass {password}",
    }


OPTIONAL = ("encryption_keys", "metrics_token", "email_url", "flower_basic_auth")
"""Files that compose must find and that may stay empty, which counts as not set."""


def write_env(path: Path) -> bool:
    """Write it, for its owner only; False if there is one."""
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(env_text())
    except FileExistsError:
        return False
    return True


def write_production(folder: Path) -> bool:
    """Write the files; False if all are there. In a folder that is there only those that may be empty are added.

    Others are kept out by the folder: the files themselves are read in containers, by users with other numbers.
    """
    texts = dict.fromkeys(OPTIONAL, "")
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        texts = {name: text for name, text in texts.items() if not (folder / name).exists()}
    else:
        texts |= {name: f"{text}\n" for name, text in production_texts().items()}
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
        (folder / name).chmod(0o444 if text else 0o644)
    return bool(texts)


def main(arguments: list[str]) -> int:
    production = arguments == ["--production"]
    path = ROOT / ("secrets" if production else ".env")
    written = write_production(path) if production else write_env(path)
    print(f"{path.name} {'is written' if written else 'is there and stays as it is'}.")
    print("Build the images and start: docker compose up --build --detach --wait" if not production else "Keep a copy.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
