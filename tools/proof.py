"""Are the books equal, and would a full evaluation change nothing? As JSON, about the database of the environment."""

import json
import sys

import django


def main() -> int:
    django.setup()
    from budget_system import clock
    from enforcement import books
    from enforcement.sweeps import enforce_all
    from spending.models import Reservation, ReservationStatus, Spend

    now = clock.now()
    found = books.check(now)
    sweep = enforce_all(now, actor="proof", dry_run=True)
    pending = Reservation.objects.filter(status=ReservationStatus.PENDING)
    said = {
        "periods": found.periods,
        "differences": found.differences,
        "what": [str(one) for one in [*found.totals, *found.reserved, *found.budgets, *found.holds][:5]],
        "campaigns": sweep.checked,
        "changes": sum(change.from_holds != change.verdict.holds for change in sweep.evaluation.changes),
        "errors": sweep.errors,
        "spends": Spend.objects.filter(voided_at=None).count(),
        "pending": pending.count(),
        "overdue": pending.filter(expires_at__lte=now).count(),
    }
    sys.stdout.write(json.dumps(said) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
