"""What pages say: the guide's labels, word for word, and any other sentence by its id in the catalogue."""

import gettext
import re
from functools import cache
from types import SimpleNamespace

from massar.domain.sites.registry import Site
from tests.support.product import ROOT
from tests.support.sites import load

LOCALES = ROOT / "src" / "massar" / "locale"

# The labels of the ministry's guide (Arabic) and our French and English for them.
_LABELS = (
    ("sign_in", "تسجيل الدخول", "Se connecter", "Sign in"),
    ("profile", "الملف الشخصي", "Profil", "Profile"),
    ("personal_email", "البريد الإلكتروني الشخصي", "E-mail personnel", "Personal e-mail"),
    ("personal_phone", "رقم الهاتف الشخصي", "Téléphone personnel", "Personal phone"),
    ("save", "حفظ", "Enregistrer", "Save"),
    ("close", "إغلاق", "Fermer", "Close"),
    ("contacts_note", "هذه المعلومات ضرورية لاسترجاع كلمة المرور في حالة نسيانها",
     "Ces informations sont nécessaires pour récupérer le mot de passe en cas d’oubli",
     "You need this to recover a forgotten password"),
    ("recovery", "استرجاع كلمة المرور", "Récupération du mot de passe", "Password recovery"),
    ("user", "اسم المستخدم", "Nom d’utilisateur", "Username"),
    ("recover_by", "أرغب باسترجاع كلمة المرور عن طريق:",
     "Je souhaite récupérer mon mot de passe par :", "Recover my password by:"),
    ("email", "البريد الإلكتروني", "E-mail", "E-mail"),
    ("phone", "الهاتف", "Téléphone", "Phone"),
    ("confirm", "تأكيد", "Confirmer", "Confirm"),
    ("expired", "انتهاء صلاحية كلمة المرور", "Mot de passe expiré", "Password expired"),
    ("change_password", "تغيير كلمة المرور", "Changer le mot de passe", "Change password"),
    ("current", "كلمة المرور الحالية", "Mot de passe actuel", "Current password"),
    ("new", "كلمة المرور الجديدة", "Nouveau mot de passe", "New password"),
    ("repeat", "تأكيد كلمة المرور الجديدة", "Confirmer le nouveau mot de passe", "Confirm new password"),
    ("information", "معلومات", "Information", "Information"),
    ("changed", "تم تغيير كلمة المرور بنجاح", "Mot de passe modifié avec succès", "Password changed"),
)  # fmt: skip
GUIDE = {
    language: SimpleNamespace(**{name: words[place] for name, *words in _LABELS})
    for place, language in enumerate(("ar", "fr", "en"))
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
