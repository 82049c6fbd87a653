"""What pages say: the guide's labels, word for word, and any other sentence by its id in the catalogue."""

from __future__ import annotations

import gettext
import re
from dataclasses import dataclass
from functools import cache

from massar.domain.sites.site import Site
from tests.support.product import ROOT
from tests.support.sites import load

LOCALES = ROOT / "src" / "massar" / "locale"


@dataclass(frozen=True)
class Guide:
    """The labels of the ministry's guide (Arabic) and our French and English for them."""

    sign_in: str
    profile: str
    personal_email: str
    personal_phone: str
    save: str
    close: str
    contacts_note: str
    recovery: str
    user: str
    recover_by: str
    email: str
    phone: str
    confirm: str
    expired: str
    change_password: str
    current: str
    new: str
    repeat: str
    information: str
    changed: str


GUIDE = {
    "ar": Guide(
        sign_in="تسجيل الدخول",
        profile="الملف الشخصي",
        personal_email="البريد الإلكتروني الشخصي",
        personal_phone="رقم الهاتف الشخصي",
        save="حفظ",
        close="إغلاق",
        contacts_note="هذه المعلومات ضرورية لاسترجاع كلمة المرور في حالة نسيانها",
        recovery="استرجاع كلمة المرور",
        user="اسم المستخدم",
        recover_by="أرغب باسترجاع كلمة المرور عن طريق:",
        email="البريد الإلكتروني",
        phone="الهاتف",
        confirm="تأكيد",
        expired="انتهاء صلاحية كلمة المرور",
        change_password="تغيير كلمة المرور",
        current="كلمة المرور الحالية",
        new="كلمة المرور الجديدة",
        repeat="تأكيد كلمة المرور الجديدة",
        information="معلومات",
        changed="تم تغيير كلمة المرور بنجاح",
    ),
    "fr": Guide(
        sign_in="Se connecter",
        profile="Profil",
        personal_email="E-mail personnel",
        personal_phone="Téléphone personnel",
        save="Enregistrer",
        close="Fermer",
        contacts_note="Ces informations sont nécessaires pour récupérer le mot de passe en cas d’oubli",
        recovery="Récupération du mot de passe",
        user="Nom d’utilisateur",
        recover_by="Je souhaite récupérer mon mot de passe par :",
        email="E-mail",
        phone="Téléphone",
        confirm="Confirmer",
        expired="Mot de passe expiré",
        change_password="Changer le mot de passe",
        current="Mot de passe actuel",
        new="Nouveau mot de passe",
        repeat="Confirmer le nouveau mot de passe",
        information="Information",
        changed="Mot de passe modifié avec succès",
    ),
    "en": Guide(
        sign_in="Sign in",
        profile="Profile",
        personal_email="Personal e-mail",
        personal_phone="Personal phone",
        save="Save",
        close="Close",
        contacts_note="You need this to recover a forgotten password",
        recovery="Password recovery",
        user="Username",
        recover_by="Recover my password by:",
        email="E-mail",
        phone="Phone",
        confirm="Confirm",
        expired="Password expired",
        change_password="Change password",
        current="Current password",
        new="New password",
        repeat="Confirm new password",
        information="Information",
        changed="Password changed",
    ),
}


@cache
def _catalogue(language: str) -> gettext.GNUTranslations:
    path = LOCALES / language / "LC_MESSAGES" / "django.mo"
    with path.open("rb") as compiled:
        return gettext.GNUTranslations(compiled)


def said(language: str, id: str) -> str:
    """The sentence behind an id, its placeholders still in it. An id without a sentence fails the test."""
    text = _catalogue(language).gettext(id)
    assert text != id, f"{id} is not in the {language} catalogue"
    return text


def saying(language: str, id: str) -> re.Pattern[str]:
    """A pattern for the sentence behind an id: each placeholder stands for anything."""
    parts = re.split(r"%\(\w+\)s", said(language, id).replace("%%", "%"))
    return re.compile(".*?".join(re.escape(part) for part in parts), re.DOTALL)


@cache
def site(slug: str) -> Site:
    """One of the six sites of the guide, with its words in three languages."""
    return load(None).by_slug[slug]
