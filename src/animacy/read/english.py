"""How an English reader says what is not a word: numbers, dates, money, units, letters. American usage."""

from __future__ import annotations

import re

from .script import word_list, word_set

_ONES = word_list(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
)
_TENS = word_list("zero ten twenty thirty forty fifty sixty seventy eighty ninety")
_SCALES = ("", " thousand", " million", " billion", " trillion", " quadrillion")
_IRREGULAR_ORDINALS = {
    "one": "first",
    "two": "second",
    "three": "third",
    "five": "fifth",
    "eight": "eighth",
    "nine": "ninth",
    "twelve": "twelfth",
}
MONTHS = word_list("January February March April May June July August September October November December")
DAYS = {
    "mon": "Monday",
    "tue": "Tuesday",
    "tues": "Tuesday",
    "wed": "Wednesday",
    "thu": "Thursday",
    "thur": "Thursday",
    "thurs": "Thursday",
    "fri": "Friday",
    "sat": "Saturday",
    "sun": "Sunday",
}

# Written unit -> (one, many). A unit is read only after a number.
UNITS = {
    "km": ("kilometer", "kilometers"),
    "m": ("meter", "meters"),
    "cm": ("centimeter", "centimeters"),
    "mm": ("millimeter", "millimeters"),
    "nm": ("nanometer", "nanometers"),
    "μm": ("micrometer", "micrometers"),
    "ft": ("foot", "feet"),
    "in": ("inch", "inches"),
    "yd": ("yard", "yards"),
    "mi": ("mile", "miles"),
    "kg": ("kilogram", "kilograms"),
    "g": ("gram", "grams"),
    "mg": ("milligram", "milligrams"),
    "μg": ("microgram", "micrograms"),
    "lb": ("pound", "pounds"),
    "lbs": ("pound", "pounds"),
    "oz": ("ounce", "ounces"),
    "l": ("liter", "liters"),
    "L": ("liter", "liters"),
    "ml": ("milliliter", "milliliters"),
    "mL": ("milliliter", "milliliters"),
    "s": ("second", "seconds"),
    "sec": ("second", "seconds"),
    "secs": ("second", "seconds"),
    "ms": ("millisecond", "milliseconds"),
    "min": ("minute", "minutes"),
    "mins": ("minute", "minutes"),
    "h": ("hour", "hours"),
    "hr": ("hour", "hours"),
    "hrs": ("hour", "hours"),
    "km/h": ("kilometer per hour", "kilometers per hour"),
    "kph": ("kilometer per hour", "kilometers per hour"),
    "mph": ("mile per hour", "miles per hour"),
    "m/s": ("meter per second", "meters per second"),
    "km²": ("square kilometer", "square kilometers"),
    "m²": ("square meter", "square meters"),
    "cm²": ("square centimeter", "square centimeters"),
    "m³": ("cubic meter", "cubic meters"),
    "Hz": ("hertz", "hertz"),
    "kHz": ("kilohertz", "kilohertz"),
    "MHz": ("megahertz", "megahertz"),
    "GHz": ("gigahertz", "gigahertz"),
    "V": ("volt", "volts"),
    "W": ("watt", "watts"),
    "kW": ("kilowatt", "kilowatts"),
    "MW": ("megawatt", "megawatts"),
    "kWh": ("kilowatt hour", "kilowatt hours"),
    "mAh": ("milliamp hour", "milliamp hours"),
    "KB": ("kilobyte", "kilobytes"),
    "kB": ("kilobyte", "kilobytes"),
    "MB": ("megabyte", "megabytes"),
    "GB": ("gigabyte", "gigabytes"),
    "TB": ("terabyte", "terabytes"),
    "Mbps": ("megabit per second", "megabits per second"),
    "Gbps": ("gigabit per second", "gigabits per second"),
    "fps": ("frame per second", "frames per second"),
    "MP": ("megapixel", "megapixels"),
    "px": ("pixel", "pixels"),
    "dB": ("decibel", "decibels"),
    "kcal": ("kilocalorie", "kilocalories"),
    "cal": ("calorie", "calories"),
    "°C": ("degree Celsius", "degrees Celsius"),
    "℃": ("degree Celsius", "degrees Celsius"),
    "°F": ("degree Fahrenheit", "degrees Fahrenheit"),
    "℉": ("degree Fahrenheit", "degrees Fahrenheit"),
    "°": ("degree", "degrees"),
    "%": ("percent", "percent"),
    "‰": ("per mille", "per mille"),
}

# Currency sign -> (one, many, one hundredth, hundredths)
MONEY = {
    "$": ("dollar", "dollars", "cent", "cents"),
    "US$": ("U S dollar", "U S dollars", "cent", "cents"),
    "£": ("pound", "pounds", "penny", "pence"),
    "€": ("euro", "euros", "cent", "cents"),
    "¥": ("yuan", "yuan", "", ""),
    "₹": ("rupee", "rupees", "paisa", "paise"),
    "₩": ("won", "won", "", ""),
    "₽": ("ruble", "rubles", "kopeck", "kopecks"),
    "฿": ("baht", "baht", "satang", "satang"),
}
MAGNITUDES = {
    "k": "thousand",
    "K": "thousand",
    "m": "million",
    "M": "million",
    "Mn": "million",
    "Bn": "billion",
    "Tn": "trillion",
    "kn": "thousand",
    "Kn": "thousand",
    "mn": "million",
    "bn": "billion",
    "b": "billion",
    "B": "billion",
    "T": "trillion",
    "tn": "trillion",
}

ABBREVIATIONS = {
    "mr.": "Mister",
    "mr": "Mister",
    "mrs.": "Missus",
    "mrs": "Missus",
    "ms.": "Miz",
    "dr.": "Doctor",
    "dr": "Doctor",
    "prof.": "Professor",
    "sr.": "Senior",
    "jr.": "Junior",
    "jr": "Junior",
    "st.": "Saint",
    "mt.": "Mount",
    "gen.": "General",
    "col.": "Colonel",
    "capt.": "Captain",
    "lt.": "Lieutenant",
    "sgt.": "Sergeant",
    "gov.": "Governor",
    "sen.": "Senator",
    "rep.": "Representative",
    "rev.": "Reverend",
    "hon.": "Honorable",
    "etc.": "et cetera",
    "etc": "et cetera",
    "e.g.": "for example",
    "i.e.": "that is",
    "eg.": "for example",
    "ie.": "that is",
    "cf.": "compare",
    "viz.": "namely",
    "vs.": "versus",
    "vs": "versus",
    "approx.": "approximately",
    "dept.": "department",
    "est.": "established",
    "inc.": "Incorporated",
    "ltd.": "Limited",
    "corp.": "Corporation",
    "co.": "Company",
    "ave.": "Avenue",
    "blvd.": "Boulevard",
    "rd.": "Road",
    "fig.": "figure",
    "figs.": "figures",
    "vol.": "volume",
    "ch.": "chapter",
    "pp.": "pages",
    "et al.": "and others",
    "al.": "all",
    "a.m.": "A M",
    "p.m.": "P M",
    "w/": "with",
    "w/o": "without",
    "b/c": "because",
}

# Written in capitals and said as a word. Others in capitals are spelled, unless they are words that someone shouts.
SAID_AS_WORDS = word_set(
    "NASA NATO UNESCO UNICEF OPEC ASEAN AIDS COVID SARS LASER RADAR SCUBA SWAT NASDAQ FIFA UEFA NAFTA OSHA FEMA POTUS "
    "SCOTUS SIM PIN RAM ROM GIF JPEG LAN WAN RAID CAPTCHA BASIC COBOL PASCAL LIDAR SONAR NIMBY YOLO ASAP DOS NAND CUDA NOAA "
    "LEGO IKEA VISA NVIDIA SEGA LOL OK"
)
# Spelled although the same letters make a word, or could be said as one.
SPELLED = word_set(
    "US USA UK EU UN UAE AI TV PC CD DVD CEO CFO CTO COO VIP FBI CIA NSA IRS BBC CNN ABC NBC CBS ESPN HBO MTV NBA NFL NHL "
    "MLB MIT UCLA USC IBM AMD HP BMW LG ATM FAQ DIY GPS USB URL HTML CSS PDF SQL API GPU CPU TPU IOS HR PR IQ ID DNA RNA "
    "HIV PHD MBA GDP IPO CV UFO SUV LED LCD RSVP RIP BRB FYI BTW OMG WTF TBD ETA PM AM BC AD DC LA NYC SF IP VPN SMS SOS "
    "NGO UI UX QA HD VR AR IMF WTO WHO CDC FDA EPA FCC SEC DEA ICU MRI CT ER EMT ADHD PTSD OCD RPG MMO NPC AMA TIL IMO IMHO "
    "AFAIK TLDR NSFW DM OP LGBT LGBTQ"
)
_ROMAN = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100, "D": 500, "M": 1000}
ROMAN = re.compile(r"M{0,3}(?:C[MD]|D?C{0,3})(?:X[CL]|L?X{0,3})(?:I[XV]|V?I{0,3})")

LETTERS_IN_ADDRESSES = {
    ".": "dot",
    "@": "at",
    "/": "slash",
    "-": "dash",
    "_": "underscore",
    ":": "colon",
    "?": "question mark",
    "=": "equals",
    "&": "and",
    "#": "hash",
    "%": "percent",
    "+": "plus",
    "~": "tilde",
}


def cardinal(number: int) -> str:
    """ "twelve thousand three hundred forty five" for 12345; below 10**18."""
    if number < 20:
        return _ONES[number]
    groups = []
    for scale in _SCALES:
        number, rest = divmod(number, 1000)
        if rest:
            groups.append(_below_thousand(rest) + scale)
        if not number:
            break
    return " ".join(reversed(groups))


def _below_thousand(number: int) -> str:
    hundreds, rest = divmod(number, 100)
    words = [f"{_ONES[hundreds]} hundred"] if hundreds else []
    if rest >= 20:
        words.append(_TENS[rest // 10])
        rest %= 10
    if rest:
        words.append(_ONES[rest])
    return " ".join(words)


def ordinal(number: int) -> str:
    """ "twenty sixth" for 26."""
    *front, last = cardinal(number).split(" ")
    return " ".join([*front, _ordinal_of(last)])


def _ordinal_of(word: str) -> str:
    if word in _IRREGULAR_ORDINALS:
        return _IRREGULAR_ORDINALS[word]
    return word[:-1] + "ieth" if word.endswith("y") else word + "th"


def plural(word: str) -> str:
    return word[:-1] + "ies" if word.endswith("y") else word + "es" if word.endswith("x") else word + "s"


def digits(text: str) -> str:
    """ "one zero two" for "1-02": every digit by itself."""
    return " ".join(_ONES[int(c)] for c in text if c in "0123456789")


def year(number: int) -> str:
    """ "nineteen ninety nine", "two thousand eight", "twenty twenty six", "nineteen oh five"."""
    century, rest = divmod(number, 100)
    if number >= 10000 or number < 1000 or (century % 10 == 0 and rest < 10):
        return cardinal(number)
    if rest == 0:
        return f"{cardinal(century)} hundred"
    return f"{cardinal(century)} {'oh ' if rest < 10 else ''}{cardinal(rest)}"


def decimal(text: str) -> str:
    """A plain number: "1,234.50" -> "one thousand two hundred thirty four point five zero". Leading zeros are said."""
    whole, _, fraction = text.replace(",", "").partition(".")
    by_digit = len(whole) > 15 or (len(whole) > 1 and whole[0] == "0")
    spoken = digits(whole) if by_digit else cardinal(int(whole or "0"))
    return f"{spoken} point {digits(fraction)}" if fraction else spoken


def signed(text: str) -> str:
    """A number with an optional sign."""
    if text[0] in "-+":
        return ("minus " if text[0] == "-" else "plus ") + decimal(text[1:])
    return decimal(text)


def is_one(text: str) -> bool:
    return text in ("1", "+1", "-1")


def measure(number: str, unit: str) -> str:
    """ "five kilometers" for "5", "km"."""
    one, many = UNITS[unit]
    return f"{signed(number)} {one if is_one(number) else many}"


def money(sign: str, number: str, magnitude: str = "") -> str:
    """ "three dollars and fifty cents" for "$", "3.50"; "one point two million dollars" for "$", "1.2", "million"."""
    one, many, cent, cents = MONEY[sign]
    negative = "minus " if number.startswith("-") else ""
    number = number.lstrip("+-")
    if magnitude:
        return f"{negative}{decimal(number)} {MAGNITUDES.get(magnitude, magnitude)} {many}"
    whole, _, fraction = number.replace(",", "").partition(".")
    if len(fraction) != 2 or not cent or len(whole) > 15:
        return f"{negative}{decimal(number)} {one if is_one(number) else many}"
    parts = []
    if int(whole):
        parts.append(f"{cardinal(int(whole))} {one if int(whole) == 1 else many}")
    if int(fraction):
        parts.append(f"{cardinal(int(fraction))} {cent if int(fraction) == 1 else cents}")
    return negative + (" and ".join(parts) or f"zero {many}")


def fraction(top: int, bottom: int) -> str:
    """ "three quarters", "one half", "five eighths"; "twenty two over seven" where that is how one says it."""
    if bottom == 0 or bottom == 1 or bottom > 100 or top > bottom * 2:
        return f"{cardinal(top)} over {cardinal(bottom)}"
    names = {2: ("half", "halves"), 4: ("quarter", "quarters")}
    one, many = names.get(bottom, (ordinal(bottom), plural(ordinal(bottom))))
    return f"{cardinal(top)} {one if top == 1 else many}"


def date(year_: int | None, month: int, day: int) -> str:
    """ "November twenty fourth, twenty twenty six"."""
    spoken = f"{MONTHS[month - 1]} {ordinal(day)}"
    return spoken if year_ is None else f"{spoken}, {year(year_)}"


def time(hour: int, minute: int, second: int | None = None, half: str = "") -> str:
    """ "ten thirty", "three P M", "nine oh five", "ten o'clock", "fourteen hundred"; `half` is "", "am" or "pm"."""
    words = [cardinal(hour)]
    if minute:
        words.append(f"oh {_ONES[minute]}" if minute < 10 else cardinal(minute))
    elif not half and second is None:
        words.append("o'clock" if 1 <= hour <= 12 else "hundred" if hour else "hundred hours")
    if second is not None:
        if not minute:
            words.append("zero")
        words.append(f"and {cardinal(second)} {'second' if second == 1 else 'seconds'}")
    if half:
        words.append("A M" if half[0].lower() == "a" else "P M")
    return " ".join(words)


def decade(text: str) -> str:
    """ "nineteen nineties" for "1990", "nineties" for "90", "two thousands" for "2000"."""
    number = int(text)
    *front, last = (year(number) if len(text) == 4 else cardinal(number)).split(" ")
    return " ".join([*front, plural(last)])


def spell(letters: str) -> str:
    """ "F B I"."""
    return " ".join(c.upper() for c in letters if c.isalnum())


def roman(text: str) -> int:
    """The value of a Roman numeral; 0 where it is none."""
    if not text or not ROMAN.fullmatch(text):
        return 0
    values = [_ROMAN[c] for c in text]
    return sum(-v if i + 1 < len(values) and values[i + 1] > v else v for i, v in enumerate(values))


def mixed(text: str) -> str:
    """Letters and digits in one word: "mp3" -> "M P three", "v2.0" -> "version two point zero"."""
    version = re.fullmatch(r"[vV](\d{1,9}(?:\.\d{1,9}){0,9})", text)
    if version:
        return "version " + " point ".join(cardinal(int(n)) if len(n) < 16 else digits(n) for n in version[1].split("."))
    words = []
    for letters, number in re.findall(r"([^\W\d_]+)|(\d+)", text):
        if letters:
            words.append(spell(letters) if len(letters) <= 3 and letters not in SAID_AS_WORDS else letters)
        elif len(number) == 3 and number[0] != "0" and number[1:] != "00":
            words.append(f"{cardinal(int(number[0]))} {'oh ' if number[1] == '0' else ''}{cardinal(int(number[1:]))}")
        else:
            words.append(year(int(number)) if len(number) <= 4 and number[0] != "0" else digits(number))
    return " ".join(words)


ADDRESS = 120


def address(text: str) -> str:
    """A web or mail address: "example.com/a" -> "example dot com slash a".

    Nobody reads a query string to its end, and no listener keeps it: what comes after ADDRESS characters of speech is left out.
    """
    text = re.sub(r"^https?://(?:www\.)?|^www\.|/$", "", text, flags=re.IGNORECASE)
    words: list[str] = []
    for letters, number, mark in re.findall(r"([^\W\d_]+)|(\d+)|([\W_])", text):
        if sum(map(len, words)) > ADDRESS:
            break
        if letters:
            words.append(spell(letters) if len(letters) <= 2 or (letters.isupper() and len(letters) < 5) else letters)
        elif number:
            words.append(cardinal(int(number)) if len(number) <= 2 and number[0] != "0" else digits(number))
        elif mark in LETTERS_IN_ADDRESSES:
            words.append(LETTERS_IN_ADDRESSES[mark])
    return " ".join(words)
