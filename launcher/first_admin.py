"""Creates the first admin, if there is none, and prints its name and password. Runs inside `.venv`."""

import os
import secrets


def create_first_admin() -> tuple[str, str] | None:
    """Returns (name, password) of the new admin, or None if an admin exists. The password is kept nowhere."""
    from django.contrib.auth import get_user_model

    users = get_user_model().objects
    if users.filter(is_superuser=True).exists():
        return None
    name = "admin"
    while users.filter(username=name).exists():
        name = f"admin-{secrets.token_hex(2)}"
    password = secrets.token_urlsafe(12)
    users.create_superuser(name, password=password)
    return name, password


def main() -> None:
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "scheduler_service.settings.development")
    django.setup()
    created = create_first_admin()
    if created:
        print("{} {}".format(*created))


if __name__ == "__main__":
    main()
