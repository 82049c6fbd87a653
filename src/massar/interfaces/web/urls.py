"""The person's pages. What opens without a full session is listed in tests/support/doors.py."""

from django.urls import path

from massar.interfaces.web import devices, home, password, profile, recovery, second_step, security, sign_in, well_known

urlpatterns = [
    path("", home.home, name="home"),
    path("sites/<slug:slug>/", home.site, name="site"),
    path("sign-in/", sign_in.sign_in, name="sign_in"),
    path("sign-in/second/", second_step.step, name="second_step"),
    path("sign-in/second/app/", second_step.set_up, name="second_step_app"),
    path("sign-out/", sign_in.sign_out, name="sign_out"),
    path("recovery/", recovery.ask, name="recovery"),
    path("recovery/asked/", recovery.asked, name="recovery_asked"),
    path("password/expired/", password.expired, name="password_expired"),
    path("password/change/", password.change, name="password_change"),
    path("password/close/", password.close, name="password_close"),
    path("password/changed/", password.changed, name="password_changed"),
    path("profile/", profile.profile, name="profile"),
    path("profile/contacts/<int:contact_id>/prove/", profile.prove, name="contact_prove"),
    path("profile/contacts/<int:contact_id>/resend/", profile.resend, name="contact_resend"),
    path("profile/contacts/<int:contact_id>/cancel/", profile.cancel, name="contact_cancel"),
    path("profile/contacts/<int:contact_id>/remove/", profile.remove, name="contact_remove"),
    path("profile/security/", security.security, name="security"),
    path("profile/security/app/begin/", security.begin_app, name="factor_app_begin"),
    path("profile/security/app/", security.app, name="factor_app"),
    path("profile/security/codes/", security.renew_codes, name="backup_codes"),
    path("profile/security/<int:factor_id>/remove/", security.remove, name="factor_remove"),
    path("contacts/cancel/<str:token>/", profile.cancel_link, name="contact_cancel_link"),
    path("devices/", devices.devices, name="devices"),
    path("devices/<int:session_id>/end/", devices.end, name="session_end"),
    path("sign-out/everywhere/", devices.everywhere, name="everywhere"),
    path("devices/programs/<int:grant_id>/end/", devices.end_program, name="program_end"),
    path("devices/end-all/", devices.end_all, name="sessions_end_all"),
    path("continue/", well_known.go_on, name="continue"),
    path("language/", well_known.language, name="language"),
    path(".well-known/change-password", well_known.change_password, name="well_known_change_password"),
    path(".well-known/security.txt", well_known.security_txt, name="security_txt"),
    path("favicon.ico", well_known.favicon, name="favicon"),
    path("healthz", well_known.health, name="health"),
    path("readyz", well_known.ready, name="ready"),
]
