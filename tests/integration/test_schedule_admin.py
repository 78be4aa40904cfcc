"""/admin/: schedules, their ledger, backfills and calendars for operators."""

import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse

from access_app.models import Project
from schedules_app import store
from schedules_app.models import Backfill, Calendar, TaskSchedule
from schedules_app.records import NewCalendar
from tasks_app.models import Task
from tests.integration.schedules import HOUR, NOON, create, get

pytestmark = pytest.mark.django_db

MODELS = ("taskschedule", "occurrence", "backfill", "calendar")
SCHEDULES = "/admin/schedules_app/taskschedule/"


def act(client, action, *ids):
    chosen = {"action": action, "_selected_action": [str(one) for one in ids]}
    return client.post(SCHEDULES, chosen, follow=True).content.decode()


def shown(client, model, **parameters):
    response = client.get(f"/admin/schedules_app/{model}/", parameters)
    assert response.status_code == 200
    return [row.pk for row in response.context["cl"].result_list]


def backfilled():
    """A schedule with a ledger, a backfill and a calendar."""
    store.create_calendar(NewCalendar(name="holidays", dates=["2030-01-03"]), NOON)
    [key] = create(cron="0 * * * *", every_x_hours=None, calendars=["holidays"], starts_at=NOON - 9 * HOUR)
    store.fire_due(NOON)
    backfill = store.backfill(key, NOON - 3 * HOUR, NOON - 2 * HOUR, 9, NOON)
    return key, backfill


@pytest.mark.parametrize("model", MODELS)
def test_each_list_and_each_row_is_shown_and_nothing_is_edited(admin_client, model):
    backfilled()
    [key] = shown(admin_client, model)
    path = reverse(f"admin:schedules_app_{model}_change", args=[key])
    assert admin_client.get(path).status_code == 200
    assert admin_client.post(path, {"name": "x", "status": "FINISHED"}).status_code == 403
    assert admin_client.get(f"/admin/schedules_app/{model}/add/").status_code == 403
    assert admin_client.post(f"{path}../delete/", {"post": "yes"}).status_code in (302, 403)
    assert shown(admin_client, model) == [key]


@pytest.mark.parametrize("model", ["occurrence", "backfill"])
def test_rows_of_a_schedule_are_found_by_its_id(admin_client, model):
    key, _ = backfilled()
    assert len(shown(admin_client, model, q=str(key))) == 1
    [other] = create()
    assert shown(admin_client, model, q=str(other)) == []
    assert shown(admin_client, model, q="nonsense") == []


def test_calendars_are_found_by_the_beginning_of_their_name(admin_client):
    backfilled()
    assert shown(admin_client, "calendar", q="holi") == [Calendar.objects.get().pk]
    assert shown(admin_client, "calendar", q="days") == []


def test_rows_are_filtered(admin_client):
    _, backfill = backfilled()
    assert shown(admin_client, "backfill", status__exact="RUNNING") == [backfill.pk]
    assert shown(admin_client, "backfill", status__exact="FINISHED") == []
    assert len(shown(admin_client, "occurrence", verdict__exact="FIRED")) == 1
    assert shown(admin_client, "occurrence", origin__exact="manual") == []
    assert Backfill.objects.count() == 1


def test_schedules_are_filtered_by_their_alerts(admin_client):
    quiet, failing, overdue = create(3, alert_after_failures=1)
    TaskSchedule.objects.filter(pk=failing).update(consecutive_failures=1)
    TaskSchedule.objects.filter(pk=overdue).update(success_overdue_since=NOON)
    assert set(shown(admin_client, "taskschedule", alert="any")) == {failing, overdue}
    assert shown(admin_client, "taskschedule", alert="failing") == [failing]
    assert shown(admin_client, "taskschedule", alert="success_overdue") == [overdue]
    assert quiet in shown(admin_client, "taskschedule")


def test_a_schedule_that_cannot_be_followed_is_listed_all_the_same(admin_client):
    [key] = create()
    TaskSchedule.objects.update(timezone="Mars/Olympus")
    page = admin_client.get(SCHEDULES).content.decode()
    assert str(key) in page
    assert "cannot be followed" in page


def test_schedules_are_run_paused_and_resumed_by_actions(admin_client):
    first, second = create(2)
    assert "2 of 2 schedules triggered" in act(admin_client, "trigger_schedules", first, second)
    assert Task.objects.count() == 2
    assert "1 of 1 schedules paused" in act(admin_client, "pause_schedules", first)
    page = act(admin_client, "pause_schedules", first, second)
    assert "1 of 2 schedules paused" in page
    assert "1 left alone" in page
    assert "2 of 2 schedules resumed" in act(admin_client, "resume_schedules", first, second)
    assert get(first).paused_at is None


def test_a_schedule_that_cannot_be_resumed_keeps_no_other_from_it(admin_client):
    past = NOON.replace(year=2026, month=1)
    broken, good = create(2, past)
    store.pause([broken, good], past)
    TaskSchedule.objects.filter(pk=broken).update(timezone="Mars/Olympus")
    assert "1 of 2 schedules resumed" in act(admin_client, "resume_schedules", broken, good)
    assert (get(broken).paused_at, get(good).paused_at) == (past, None)


def test_a_viewer_sees_schedules_but_has_no_actions(client, django_user_model):
    viewer = django_user_model.objects.create_user("viewer", is_staff=True)
    viewer.user_permissions.add(Permission.objects.get(codename="view_taskschedule"))
    client.force_login(viewer)
    [key] = create()
    assert shown(client, "taskschedule") == [key]
    act(client, "trigger_schedules", key)
    act(client, "pause_schedules", key)
    assert not Task.objects.exists()
    assert get(key).paused_at is None


@pytest.fixture
def shop():
    return Project.objects.create(name="shop")


def _of(project):
    """A schedule, a backfill and a calendar of a project."""
    [key] = create(project_id=project)
    calendar = store.create_calendar(NewCalendar(name="holidays", project_id=project), NOON)
    return {
        "taskschedule": key,
        "backfill": store.backfill(key, NOON, NOON, 9, NOON).pk,
        "calendar": calendar.pk,
    }


@pytest.mark.parametrize("model", ["taskschedule", "backfill", "calendar"])
def test_rows_are_filtered_by_their_project_and_show_its_name(admin_client, shop, model):
    own, others = _of(shop.pk)[model], _of(1)[model]
    assert set(shown(admin_client, model)) == {own, others}
    assert shown(admin_client, model, project=shop.pk) == [own]
    assert shown(admin_client, model, project=1) == [others]
    assert shown(admin_client, model, project=shop.pk + 1) == []
    page = admin_client.get(f"/admin/schedules_app/{model}/", {"project": shop.pk}).content.decode()
    assert '<td class="field-project">shop</td>' in page
    assert '<td class="field-project">default</td>' not in page


@pytest.mark.parametrize("project", ["x", "-1", "9" * 40, "\N{SUPERSCRIPT TWO}", ""])
def test_a_project_that_cannot_be_one_has_no_rows(admin_client, shop, project):
    _of(shop.pk)
    assert shown(admin_client, "taskschedule", project=project) == []


def test_where_there_is_one_project_there_is_nothing_to_choose(admin_client):
    create()
    assert "?project=" not in admin_client.get(SCHEDULES).content.decode()


def test_the_actions_reach_the_schedules_of_every_project(admin_client, shop):
    keys = [_of(project)["taskschedule"] for project in (1, shop.pk)]
    assert "2 of 2 schedules paused" in act(admin_client, "pause_schedules", *keys)
    assert "2 of 2 schedules resumed" in act(admin_client, "resume_schedules", *keys)
    assert "2 of 2 schedules triggered" in act(admin_client, "trigger_schedules", *keys)
    assert set(Task.objects.values_list("project_id", flat=True)) == {1, shop.pk}
