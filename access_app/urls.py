"""Where people log in and out. Django's own views; the templates load nothing but the service's own files."""

from django.contrib.auth import views
from django.urls import path

urlpatterns = [
    path("login/", views.LoginView.as_view(template_name="access_app/login.html"), name="login"),
    path("logout/", views.LogoutView.as_view(next_page="login"), name="logout"),
]
