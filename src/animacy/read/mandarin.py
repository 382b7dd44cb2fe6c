"""How a Mandarin reader says what is not a word: numbers, dates, money, units."""

from __future__ import annotations

import re
from decimal import Decimal

from .english import spell
from .script import word_list

_DIGITS = "零一二三四五六七八九"
_SCALES = ("", "万", "亿", "万亿")

# After these a lone 2 is 两; after others (二月, 二楼, 二号) it stays 二.
_MEASURES = word_list(
    "个 個 隻 條 張 只 条 张 位 名 本 件 台 辆 次 年 天 周 岁 分 秒 点 米 公 斤 千 万 亿 吨 小时 钟 种 块 元 倍 层 "
    "杯 瓶 碗 双 对 套 份 家 间 座 棵 朵 颗 匹 头 支 枝 首 句 页 遍 趟 场 门 节 度 人 口 所 片 步 段 "
    "代 行 组 队 项 款 则 部 克 升 毫 厘 季 顿 星期 礼拜 百 盒 袋 篇 幅 把 根 滴 声 美元 欧元 英 日元 边 "
    "侧 端 国 岸 架 艘 枚 封 堂 笔 批 群 排 圈 平方 立方 摄氏 华氏 里 寸 尺 亩 字 样 处 例 瓣"
)
_NOT_MEASURES = ("月", "日", "号", "楼", "级", "班", "路", "维", "线", "等奖", "等", "进制", "年级", "手", "分之")

UNITS = {
    "km": "公里",
    "m": "米",
    "cm": "厘米",
    "mm": "毫米",
    "nm": "纳米",
    "μm": "微米",
    "ft": "英尺",
    "in": "英寸",
    "mi": "英里",
    "kg": "公斤",
    "g": "克",
    "mg": "毫克",
    "μg": "微克",
    "t": "吨",
    "lb": "磅",
    "lbs": "磅",
    "oz": "盎司",
    "l": "升",
    "L": "升",
    "ml": "毫升",
    "mL": "毫升",
    "s": "秒",
    "ms": "毫秒",
    "min": "分钟",
    "h": "小时",
    "km/h": "公里每小时",
    "kph": "公里每小时",
    "mph": "英里每小时",
    "m/s": "米每秒",
    "km²": "平方公里",
    "m²": "平方米",
    "cm²": "平方厘米",
    "m³": "立方米",
    "Hz": "赫兹",
    "kHz": "千赫",
    "MHz": "兆赫",
    "GHz": "吉赫",
    "V": "伏",
    "W": "瓦",
    "kW": "千瓦",
    "MW": "兆瓦",
    "kWh": "千瓦时",
    "mAh": "毫安时",
    "dB": "分贝",
    "MP": "百万像素",
    "px": "像素",
    "kcal": "千卡",
    "°C": "摄氏度",
    "℃": "摄氏度",
    "°F": "华氏度",
    "℉": "华氏度",
    "°": "度",
}
MONEY = {
    "$": "美元",
    "US$": "美元",
    "£": "英镑",
    "€": "欧元",
    "¥": "元",
    "₹": "卢比",
    "₩": "韩元",
    "₽": "卢布",
    "฿": "泰铢",
}
ADDRESS_MARKS = {
    ".": "点",
    "@": "艾特",
    "/": "斜杠",
    "-": "杠",
    "_": "下划线",
    ":": "冒号",
    "?": "问号",
    "=": "等于",
    "&": "和",
}


def cardinal(number: int) -> str:
    """ "一万二千三百四十五" for 12345, "两百" for 200, "两万" for 20000; below 10**16."""
    if number == 0:
        return "零"
    groups = []
    while number:
        number, rest = divmod(number, 10000)
        groups.append(rest)
    spoken = ""
    for place in range(len(groups) - 1, -1, -1):
        rest = groups[place]
        if not rest:
            continue
        if spoken and (rest < 1000 or (groups[place + 1] % 10 == 0 and groups[place + 1] == 0)):
            spoken += "零"
        words = _below_ten_thousand(rest, leading=not spoken)
        if rest == 2 and place:
            words = "两"
        spoken += words + _SCALES[place]
    return spoken


def _below_ten_thousand(number: int, leading: bool) -> str:
    spoken, pending = "", False
    for power, scale in ((1000, "千"), (100, "百"), (10, "十"), (1, "")):
        digit = number // power % 10
        if digit == 0:
            pending = bool(spoken)
            continue
        if pending:
            spoken, pending = spoken + "零", False
        if digit == 2 and power >= 100:
            # 两 opens a number; after a higher place the hundreds are 二 (一千二百).
            spoken += ("二" if spoken and power == 100 else "两") + scale
        elif digit == 1 and power == 10 and not spoken and leading:
            spoken += scale  # 十二, not 一十二
        else:
            spoken += _DIGITS[digit] + scale
    return spoken


def digits(text: str, one: str = "一") -> str:
    """Digit by digit; `one` is "幺" in telephone numbers."""
    return "".join(one if c == "1" else _DIGITS[int(c)] for c in text if c in "0123456789")


def decimal(text: str, following: str = "") -> str:
    """A plain number; a lone 2 before a measure word (in `following`) is 两."""
    whole, _, fraction = text.replace(",", "").partition(".")
    by_digit = len(whole) > 15 or (len(whole) > 1 and whole[0] == "0")
    spoken = digits(whole) if by_digit else cardinal(int(whole or "0"))
    if fraction:
        return f"{spoken}点{digits(fraction)}"
    if spoken == "二" and following.startswith(_MEASURES) and not following.startswith(_NOT_MEASURES):
        return "两"
    return spoken


def signed(text: str, following: str = "") -> str:
    if text[0] in "-+":
        return ("负" if text[0] == "-" else "正") + decimal(text[1:], following)
    return decimal(text, following)


def percent(number: str) -> str:
    """ "百分之五十" for 50."""
    if number.startswith("-"):
        return "负百分之" + decimal(number[1:])
    return "百分之" + decimal(number.lstrip("+"))


def measure(number: str, unit: str) -> str:
    """ "五公里" for "5", "km"; "零下五摄氏度" for "-5", "°C"."""
    if unit == "%":
        return percent(number)
    if unit == "‰":
        return "千分之" + decimal(number.lstrip("+-"))
    name = UNITS[unit]
    if unit in ("°C", "℃", "°F", "℉") and number.startswith("-"):
        return "零下" + decimal(number[1:], name) + name
    return signed(number, name) + name


def money(sign: str, number: str, magnitude: str = "", following: str = "") -> str:
    """ "三点五元" for "¥", "3.50"; "一百二十万美元" for "$", "1.2", "million"; what `following` names is left out."""
    if magnitude and magnitude not in _MAGNITUDES:
        number, magnitude = _in_ten_thousands(number, _ENGLISH_MAGNITUDES[magnitude])
    if "." in number and not magnitude:
        number = number.rstrip("0").rstrip(".")  # ¥3.50 is 三点五元
    unit = "" if following.startswith((MONEY[sign], "块", "万", "亿")) else MONEY[sign]
    return signed(number, magnitude or MONEY[sign]) + magnitude + unit


_MAGNITUDES = ("千万", "百万", "十万", "万亿", "万", "亿", "千")
_ENGLISH_MAGNITUDES = {
    **dict.fromkeys(("thousand", "k", "K", "kn", "Kn"), 10**3),
    **dict.fromkeys(("million", "m", "M", "mn", "Mn"), 10**6),
    **dict.fromkeys(("billion", "b", "B", "bn", "Bn"), 10**9),
    **dict.fromkeys(("trillion", "T", "Tn"), 10**12),
}


def _in_ten_thousands(number: str, factor: int) -> tuple[str, str]:
    """An English amount in the scales of Mandarin: 1.2 million -> 120 and 万."""
    value = Decimal(number.replace(",", "")) * factor
    for scale, name in ((10**8, "亿"), (10**4, "万")):
        if abs(value) >= scale:
            return f"{(value / scale).normalize():f}", name
    return f"{value.normalize():f}", ""


def mixed(text: str) -> str:
    """Letters and digits in one word: "Windows10" -> "Windows 十", "mp3" -> "M P 三"."""
    words = []
    for letters, number in re.findall(r"([^\W\d_]+)|(\d+)", text):
        if letters:
            words.append(spell(letters) if len(letters) <= 3 else letters)
        else:
            words.append(cardinal(int(number)) if len(number) <= 2 and number[0] != "0" else digits(number))
    return " ".join(words)


def fraction(top: int, bottom: int) -> str:
    """ "四分之三"."""
    return f"{cardinal(bottom)}分之{cardinal(top)}"


def year(text: str) -> str:
    """ "二零二六" for "2026"."""
    return digits(text)


def date(year_: int | None, month: int, day: int) -> str:
    """ "二零二六年十一月二十四日"."""
    return (f"{digits(str(year_))}年" if year_ is not None else "") + f"{cardinal(month)}月{cardinal(day)}日"


def time(hour: int, minute: int, second: int | None = None, half: str = "") -> str:
    """ "两点三十分", "十四点零五分", "十点"; `half` is "", "am" or "pm"."""
    spoken = ("上午" if half[:1].lower() == "a" else "下午" if half else "") + ("两" if hour == 2 else cardinal(hour)) + "点"
    if minute or second is not None:
        spoken += f"{'零' if minute < 10 else ''}{cardinal(minute) if minute else ''}分"
    if second is not None:
        spoken += f"{'零' if second < 10 else ''}{cardinal(second) if second else ''}秒"
    return spoken


def year_before(text: str, following: str) -> str | None:
    """The digits of a year in front of 年, or None where it is a number of years (10年, 100年, 3000年)."""
    if not following.startswith("年") or (
        following.startswith(("年级", "年代", "年来", "年前", "年后", "年内", "年间")) and len(text) < 4
    ):
        return None
    if len(text) == 4 and text[0] in "12" and text != "1000":
        return digits(text)
    if len(text) == 2 and (text[0] == "0" or int(text) >= 50) and not following.startswith(("年的历史", "年了", "年以")):
        return digits(text)
    return None


def phone(text: str) -> str:
    """A telephone number's digits, with 幺 for 1."""
    return digits(text, one="幺")


def version(text: str) -> str:
    return "点".join(cardinal(int(n)) if len(n) < 16 else digits(n) for n in re.findall(r"\d+", text))
