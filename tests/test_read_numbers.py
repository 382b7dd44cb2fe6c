"""What is not a word, said as a reader says it."""

import pytest

from animacy.read import english, mandarin
from animacy.read.words import tokens

ENGLISH = """
$3.50 = three dollars and fifty cents
£20 = twenty pounds
€1,200.50 = one thousand two hundred euros and fifty cents
$1.2 million = one point two million dollars
$5bn = five billion dollars
-$5 = minus five dollars
$0.99 = ninety nine cents
£0.01 = one penny
$5-10 = five to ten dollars
2026-11-24 = November twenty fourth, twenty twenty six
11/24/2026 = November twenty fourth, twenty twenty six
24/11/2026 = November twenty fourth, twenty twenty six
10:30 = ten thirty
10:30 am = ten thirty A M
9:05 = nine oh five
3pm = three P M
9:00 = nine o'clock
14:05 = fourteen oh five
5 km = five kilometers
1 km = one kilometer
20°C = twenty degrees Celsius
-10°C = minus ten degrees Celsius
3.5kg = three point five kilograms
60 km/h = sixty kilometers per hour
100 m² = one hundred square meters
5G = five G
8GB = eight gigabytes
10-20 = ten to twenty
3–5 = three to five
1990-1995 = nineteen ninety to nineteen ninety five
50-60% = fifty to sixty percent
1990s = nineteen nineties
'80s = eighties
50% = fifty percent
1/2 = one half
3/4 = three quarters
2 1/2 = two and a half
½ = one half
21st = twenty first
112th = one hundred twelfth
1999 = nineteen ninety nine
2000 = two thousand
2005 = two thousand five
2026 = twenty twenty six
1815 = eighteen fifteen
1,234,567 = one million two hundred thirty four thousand five hundred sixty seven
3.14159 = three point one four one five nine
.5 = zero point five
-5 = minus five
007 = zero zero seven
0 = zero
v2.0.1 = version two point zero point one
3:2 = three to two
24/7 = twenty four seven
1920x1080 = nineteen twenty by ten eighty
5'10" = five foot ten
2.5M = two point five million
FBI = F B I
NASA = NASA
U.S. = U S
AT&T = A T and T
C++ = C plus plus
mp3 = M P three
H2O = H two O
Dr. = Doctor
e.g. = for example
bob.smith@example.com = bob dot smith at example dot com
https://www.example.com/about = example dot com slash about
12345678901234567890 = one two three four five six seven eight nine zero one two three four five six seven eight nine zero
"""

MANDARIN = """
2026-11-24 = 二零二六年十一月二十四日
2:30 = 两点三十分
14:05 = 十四点零五分
10:00 = 十点
3:2 = 三比二
50% = 百分之五十
30%-50% = 百分之三十到百分之五十
1/2 = 二分之一
3/4 = 四分之三
-5 = 负五
-5℃ = 零下五摄氏度
20°C = 二十摄氏度
3.5kg = 三点五公斤
60km/h = 六十公里每小时
100m² = 一百平方米
¥3.50 = 三点五元
$3.50 = 三点五美元
$1.2 million = 一百二十万美元
1,234,567 = 一百二十三万四千五百六十七
101 = 一百零一
110 = 一百一十
1001 = 一千零一
10101 = 一万零一百零一
20000 = 两万
110000 = 十一万
100000000 = 一亿
0.5 = 零点五
12 = 十二
200 = 两百
007 = 零零七
13812345678 = 幺三八幺二三四五六七八
1990s = 一九九零年代
v2.0.1 = 版本二点零点一
5～10 = 五到十
5G = 五 G
CEO = C E O
Windows10 = Windows 十
"""


def table(text: str) -> list[tuple[str, str]]:
    rows = [line.split(" = ") for line in text.strip().splitlines()]
    return [(written, spoken) for written, spoken in rows]


@pytest.mark.parametrize(("written", "spoken"), table(ENGLISH))
def test_english_reader(written: str, spoken: str) -> None:
    found = tokens(f"so {written} here", "en")
    assert [(t.text, t.spoken) for t in found] == [("so", "so"), (written, spoken), ("here", "here")]


@pytest.mark.parametrize(("written", "spoken"), table(MANDARIN))
def test_mandarin_reader(written: str, spoken: str) -> None:
    found = tokens(f"是{written}，好", "zh")
    assert [(t.text, t.spoken) for t in found] == [("是", "是"), (written, spoken), ("好", "好")]


def said(text: str, language: str) -> str:
    return " ".join(t.spoken for t in tokens(text, "zh" if language == "zh" else "en"))


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("Nov 24, 2026", "November twenty fourth twenty twenty six"),
        ("24 November", "twenty fourth November"),
        ("Henry VIII", "Henry the eighth"),
        ("World War II", "World War two"),
        ("Mr. X", "Mister X"),
        ("I am", "I am"),
        ("room 101", "room one oh one"),
        ("2000 people", "two thousand people"),
        ("call 555-1234", "call five five five one two three four"),
        ("(415) 555-2671", "four one five five five five two six seven one"),
        ("+1 555 123 4567", "plus one five five five one two three four five six seven"),
        ("1 + 1 = 2", "one plus one equals two"),
        ("St. Paul", "Saint Paul"),
        ("No. 5", "number five"),
        ("it's 5 in the morning", "it's five in the morning"),
        ("#winning @john", "winning john"),
        ("I told the US and the FBI", "I told the U S and the F B I"),
        ("I LOVE it", "I LOVE it"),
        ("WE WON THE GAME", "WE WON THE GAME"),
        ("Mon–Fri", "Monday Friday"),
        ("π", "pi"),
    ],
)
def test_english_in_context(text: str, spoken: str) -> None:
    assert said(text, "en") == spoken


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("2026年11月24日", "二零二六 年 十一 月 二十四 日"),
        ("98年", "九八 年"),
        ("10年", "十 年"),
        ("90年代", "九十 年代"),
        ("2个人", "两 个 人"),
        ("2条狗", "两 条 狗"),
        ("2月2日2点", "二 月 二 日 两 点"),
        ("第2名", "第 二 名"),
        ("12个", "十二 个"),
        ("2楼", "二 楼"),
        ("2万", "两 万"),
        ("拨打110", "拨打 幺幺零"),
        ("010-12345678", "零幺零 幺二三四五六七八"),
        ("3比2", "三 比 二"),
        ("¥100元", "一百 元"),
        ("1+1=2", "一 加 一 等于 二"),
    ],
)
def test_mandarin_in_context(text: str, spoken: str) -> None:
    assert said(text, "zh") == spoken


@pytest.mark.parametrize(
    "number", [*range(0, 130), 199, 200, 999, 1000, 1001, 1010, 1100, 9999, 10000, 10001, 123456, 1000000, 20300045]
)
def test_cardinals_agree_with_another_normaliser(number: int) -> None:
    wetext = pytest.importorskip("wetext")
    english_judge = wetext.normalize(f"{number:,}", lang="en").replace(" and ", " ").removeprefix("thousand")
    if not english_judge.startswith("thousand") and number not in (1000, 1001, 1010):  # it drops the one of "one thousand"
        assert english.cardinal(number).removeprefix("one thousand") == english_judge.removeprefix("one thousand")
    judge = wetext.normalize(str(number) + "，", lang="zh").rstrip("，").replace("两", "二").replace("幺", "一")
    if number not in (110, 111, 112, 114, 119, 120, 122) and number < 1000:  # it knows the emergency numbers
        assert mandarin.cardinal(number).replace("两", "二") == judge


@pytest.mark.parametrize("value", range(1, 100))
def test_roman_numerals_go_there_and_back(value: int) -> None:
    tens = ["", "X", "XX", "XXX", "XL", "L", "LX", "LXX", "LXXX", "XC"][value // 10]
    ones = ["", "I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX"][value % 10]
    assert english.roman(tens + ones) == value


def test_bad_roman_numerals_are_none() -> None:
    assert [english.roman(t) for t in ("", "IIII", "VX", "IC", "ABC")] == [0, 0, 0, 0, 0]


def test_an_address_is_read_as_far_as_a_listener_follows() -> None:
    spoken = english.address("https://example.com/list?" + "&".join(f"key{i}=value{i}" for i in range(40)))
    assert spoken.startswith("example dot com slash list question mark")
    assert len(spoken) < 200
