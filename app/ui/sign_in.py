"""The pages to sign in and to change a password: plain HTML forms, in the look of the others."""

from app.ui.theme import HEAD, PAGE_CSS
from app.ui.views import Views


class SignInPages:
    """Renders the forms. `message` says what went wrong at the last try, `notice` what went well."""

    def __init__(self, views: Views) -> None:
        self._views = views

    def sign_in(self, target: str, username: str = "", message: str = "", notice: str = "") -> str:
        """The form to sign in; `target` is where to go afterwards."""
        return self._page(
            "sign_in.html", "Sign in", target=target, username=username, message=message, notice=notice
        )

    def password(self, username: str, message: str = "") -> str:
        """The form to change a password."""
        return self._page("password.html", "Change password", username=username, message=message, notice="")

    def _page(self, template: str, title: str, **values: str) -> str:
        return self._views.render(template, head=HEAD, css=PAGE_CSS, title=title, **values)
