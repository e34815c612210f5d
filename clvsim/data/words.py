"""Words and signs by which files write months, weekdays, zones and currencies, as text and as regular expressions.

Months and weekdays are those of English, German, French, Spanish, Italian, Dutch and Portuguese, in lower case and
without accents; none means two months.
"""

_MONTHS = (
    "january jan januar janner janvier janv enero ene gennaio gen genn januari janeiro",
    "february feb februar feber fevrier fevr fev febrero febbraio febbr februari fevereiro",
    "march mar marz mrz mars marzo maart mrt maa marco",
    "april apr avril avr abril abr aprile",
    "may mai mayo maggio mag mei maio",
    "june jun juni juin junio giugno giu junho",
    "july jul juli juillet juil julio luglio lug julho",
    "august aug aout aou agosto ago augustus",
    "september sep sept septembre septiembre setiembre settembre sett set setembro",
    "october oct oktober okt octobre octubre ottobre ott outubro out",
    "november nov novembre noviembre novembro",
    "december dec dezember dez decembre diciembre dic dicembre dezembro",
)
MONTHS = {name: number for number, names in enumerate(_MONTHS, 1) for name in names.split()}
_WEEKDAYS = (
    "monday mon tuesday tues tue wednesday wed thursday thurs thur thu friday fri saturday sat sunday sun "
    "montag mo dienstag di mittwoch mi donnerstag do freitag fr samstag sonnabend sa sonntag so "
    "lundi lun mardi mar mercredi mer jeudi jeu vendredi ven samedi sam dimanche dim "
    "lunes martes miercoles mie jueves jue viernes vie sabado sab domingo dom "
    "lunedi martedi mercoledi giovedi gio venerdi sabato domenica "
    "maandag ma dinsdag woensdag wo donderdag vrijdag vr zaterdag za zondag zo "
    "segunda seg terca ter quarta qua quinta qui sexta sex"
)
# Minutes ahead of UTC. Letters that mean several zones stand for the one that shop systems write most.
_ZONES = (
    "Z 0, UTC 0, GMT 0, WET 0, WEST 60, BST 60, CET 60, CEST 120, MEZ 60, MESZ 120, EET 120, EEST 180, SAST 120, "
    "MSK 180, IST 330, SGT 480, HKT 480, AWST 480, JST 540, KST 540, ACST 570, ACDT 630, AEST 600, AEDT 660, NZST 720, "
    "NZDT 780, BRT -180, ADT -180, AST -240, EDT -240, EST -300, CDT -300, CST -360, MDT -360, MST -420, PDT -420, "
    "PST -480, AKDT -480, AKST -540, HST -600"
)
ZONES = {name: int(ahead) for name, ahead in (zone.split() for zone in _ZONES.split(", "))}
# ISO 4217
_CODES = (
    "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF "
    "CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HRK "
    "HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL "
    "MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON "
    "RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX "
    "USD UYU UZS VES VND VUV WST XAF XCD XOF XPF YER ZAR ZMW ZWL"
)
_SHORT = r"kr|zł|kč|ft|lei|fr|sfr|rs|руб"
BLANK = r"[\s\x{a0}\x{2000}-\x{200a}\x{202f}\x{205f}\x{3000}]"
CURRENCY_CODE = f"(?i:{_CODES.replace(' ', '|')})"
CURRENCY = rf"(?:[A-Z]{{0,3}}\p{{Sc}}|{CURRENCY_CODE}|(?i:{_SHORT})\.?)"
_SAME = "€ EUR, £ GBP, ₹ INR, US$ USD, $US USD, A$ AUD, AU$ AUD, C$ CAD, CA$ CAD, NZ$ NZD, HK$ HKD, R$ BRL"
SAME_CURRENCY = {pair[:-4]: pair[-3:] for pair in _SAME.split(", ")}


def _any_of(names: str) -> str:
    return "|".join(sorted(names.split(), key=len, reverse=True))


MONTH = f"(?:{_any_of(' '.join(MONTHS))})"
WEEKDAY = f"(?:{_any_of(_WEEKDAYS)})(?:-feira)?"
ZONE = rf"(?:(?:UTC|GMT)?[+-]\d{{2}}(?::?\d{{2}})?|{_any_of(' '.join(ZONES))})"
