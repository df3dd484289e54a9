"""The ways to log in that a Zulip 10.0 server has, in the order in which it stores them."""

from __future__ import annotations

from zcore import AuthBackend

ZULIPS_OWN = "zproject.backends."
E_MAIL = "the e-mail address"


def _needs(backend: str, *settings: str) -> str:
    """What the server's settings have to name."""
    named = " and ".join(settings)
    listed = f"{ZULIPS_OWN}{backend} in AUTHENTICATION_BACKENDS"
    return f"{listed}; {named}" if named else listed


BACKENDS = (
    AuthBackend(
        "Dev",
        "Choose an account from a list, without a password.",
        needs="a development server",
        links_by="the account that is chosen",
        only_development=True,
    ),
    AuthBackend(
        "Email",
        "Log in with e-mail address and password.",
        needs=_needs("EmailAuthBackend"),
        links_by=E_MAIL,
        password=True,
    ),
    AuthBackend(
        "LDAP",
        "Log in with the name and password of a directory.",
        needs=_needs("ZulipLDAPAuthBackend", "AUTH_LDAP_SERVER_URI", "AUTH_LDAP_USER_SEARCH"),
        links_by="the e-mail address that LDAP_EMAIL_ATTR or LDAP_APPEND_DOMAIN gives a user name",
    ),
    AuthBackend(
        "RemoteUser",
        "Be logged in by the web server in front, which says who it is.",
        needs=_needs("ZulipRemoteUserBackend", "a web server that sets REMOTE_USER"),
        links_by="REMOTE_USER: the e-mail address, or a user name before SSO_APPEND_DOMAIN",
    ),
    AuthBackend(
        "GitHub",
        "Log in with an account at GitHub.",
        needs=_needs(
            "GitHubAuthBackend", "SOCIAL_AUTH_GITHUB_KEY", "the secret social_auth_github_secret"
        ),
        links_by="one of the e-mail addresses that GitHub has verified",
    ),
    AuthBackend(
        "AzureAD",
        "Log in with an account at Microsoft Entra ID.",
        needs=_needs(
            "AzureADAuthBackend",
            "SOCIAL_AUTH_AZUREAD_OAUTH2_KEY",
            "the secret social_auth_azuread_oauth2_secret",
        ),
        links_by=E_MAIL,
    ),
    AuthBackend(
        "GitLab",
        "Log in with an account at GitLab.",
        needs=_needs(
            "GitLabAuthBackend", "SOCIAL_AUTH_GITLAB_KEY", "the secret social_auth_gitlab_secret"
        ),
        links_by=E_MAIL,
    ),
    AuthBackend(
        "Google",
        "Log in with an account at Google.",
        needs=_needs(
            "GoogleAuthBackend", "SOCIAL_AUTH_GOOGLE_KEY", "the secret social_auth_google_secret"
        ),
        links_by=E_MAIL,
    ),
    AuthBackend(
        "Apple",
        "Log in with an account at Apple.",
        needs=_needs(
            "AppleAuthBackend",
            "SOCIAL_AUTH_APPLE_SERVICES_ID",
            "SOCIAL_AUTH_APPLE_TEAM",
            "SOCIAL_AUTH_APPLE_KEY",
        ),
        links_by=E_MAIL,
    ),
    AuthBackend(
        "SAML",
        "Log in at an identity provider that speaks SAML.",
        needs=_needs("SAMLAuthBackend", "SOCIAL_AUTH_SAML_ENABLED_IDPS"),
        links_by="the e-mail address in the attribute that attr_email names",
    ),
    AuthBackend(
        "OpenID Connect",
        "Log in at an identity provider that speaks OpenID Connect.",
        needs=_needs("GenericOpenIdConnectBackend", "SOCIAL_AUTH_OIDC_ENABLED_IDPS"),
        links_by="the e-mail address in the claim 'email'",
    ),
)
