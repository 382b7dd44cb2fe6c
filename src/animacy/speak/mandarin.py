"""Mandarin words -> Kokoro's phonemes: pinyin by phrase, readings by context, tone sandhi, then IPA with tone arrows.

Pinyin comes from pypinyin's phrase dictionary (MIT). The rules here settle what it leaves open: particles that are also
content words, single characters whose reading hangs on their neighbours, neutral tones and sandhi (Duanmu, The Phonology of
Standard Chinese, 2nd ed., chapters 2 and 11). Kokoro v1.0 marks tones with arrows behind the nucleus: → 1st, ↗ 2nd, ↓ 3rd,
↘ 4th, nothing for the neutral tone, and writes ts, tɕ and tʂ as ʦ, ʨ and ꭧ.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass

_TONES = {1: "→", 2: "↗", 3: "↓", 4: "↘", 5: ""}
_INITIALS = {
    "zh": "ꭧ", "ch": "ꭧʰ", "sh": "ʂ", "b": "p", "p": "pʰ", "m": "m", "f": "f", "d": "t", "t": "tʰ", "n": "n", "l": "l",
    "g": "k", "k": "kʰ", "h": "x", "j": "ʨ", "q": "ʨʰ", "x": "ɕ", "r": "ɻ", "z": "ʦ", "c": "ʦʰ", "s": "s",
}  # fmt: skip
_FINALS = {  # "0" marks where the tone goes
    "a": "a0", "o": "wo0", "e": "ɤ0", "ai": "ai0", "ei": "ei0", "ao": "au0", "ou": "ou0", "an": "a0n", "en": "ə0n", "ang": "a0ŋ",
    "eng": "ə0ŋ", "ong": "ʊ0ŋ", "i": "i0", "ia": "ja0", "ie": "je0", "iao": "jau0", "iou": "jou0", "iu": "jou0", "ian": "jɛ0n",
    "in": "i0n", "iang": "ja0ŋ", "ing": "i0ŋ", "iong": "jʊ0ŋ", "u": "u0", "ua": "wa0", "uo": "wo0", "uai": "wai0",
    "uei": "wei0", "ui": "wei0", "uan": "wa0n", "uen": "wə0n", "un": "wə0n", "uang": "wa0ŋ", "ueng": "wə0ŋ", "v": "y0",
    "ve": "ɥe0", "van": "ɥɛ0n", "vn": "y0n", "er": "ɚ0", "ê": "ɛ0", "io": "jɔ0",
}  # fmt: skip
_WHOLE = {"m": "m0", "n": "n0", "ng": "ŋ0", "hm": "hm0", "hng": "hŋ0", "o": "ɔ0", "r": "ɚ0"}

# Phrases whose reading pypinyin leaves wrong or whose second syllable loses its tone in speech.
_PHRASES = {
    "着火": "zhao2 huo3", "着凉": "zhao2 liang2", "着急": "zhao2 ji2", "着迷": "zhao2 mi2", "大夫": "dai4 fu5", "薄荷": "bo4 he5",
    "调查": "diao4 cha2", "还钱": "huan2 qian2", "还书": "huan2 shu1", "还给": "huan2 gei3", "归还": "gui1 huan2", "还债": "huan2 zhai4",
    "还款": "huan2 kuan3", "还清": "huan2 qing1", "还我": "huan2 wo3", "下雨": "xia4 yu3", "行长": "hang2 zhang3", "这行": "zhe4 hang2",
    "一行字": "yi4 hang2 zi4", "两行": "liang3 hang2", "内行": "nei4 hang2", "长高": "zhang3 gao1", "长得": "zhang3 de5",
    "长出": "zhang3 chu1", "长胖": "zhang3 pang4", "长了": "zhang3 le5", "重新": "chong2 xin1", "重来": "chong2 lai2",
    "重做": "chong2 zuo4", "重写": "chong2 xie3", "重建": "chong2 jian4", "重逢": "chong2 feng2", "了不起": "liao3 bu5 qi3",
    "受不了": "shou4 bu5 liao3", "吃不了": "chi1 bu5 liao3", "忘不了": "wang4 bu5 liao3", "少不了": "shao3 bu5 liao3",
    "免不了": "mian3 bu5 liao3", "做不了": "zuo4 bu5 liao3", "差不多": "cha4 bu5 duo1", "对不起": "dui4 bu5 qi3", "量体温": "liang2 ti3 wen1",
    "落下": "luo4 xia4", "种花": "zhong4 hua1", "种地": "zhong4 di4", "教我": "jiao1 wo3", "教你": "jiao1 ni3", "教他": "jiao1 ta1",
    "教她": "jiao1 ta1", "倒水": "dao4 shui3", "倒茶": "dao4 cha2", "倒车": "dao4 che1", "数一数": "shu3 yi5 shu3", "数数": "shu3 shu4",
    "好客": "hao4 ke4", "好学": "hao4 xue2", "爱好": "ai4 hao4", "差劲": "cha4 jin4", "差点": "cha4 dian3", "相片": "xiang4 pian4",
    "睡着": "shui4 zhao2", "找着": "zhao3 zhao2", "看得见": "kan4 de5 jian4", "觉得": "jue2 de5", "记得": "ji4 de5", "值得": "zhi2 de5",
    "懂得": "dong3 de5", "显得": "xian3 de5", "获得": "huo4 de2", "取得": "qu3 de2", "难得": "nan2 de2", "得到": "de2 dao4",
    "只好": "zhi2 hao3", "头发": "tou2 fa5", "那儿": "na4 r5", "这儿": "zhe4 r5", "哪儿": "na3 r5", "一会儿": "yi2 hui4 r5",
    "一点儿": "yi4 dian3 r5", "有点儿": "you2 dian3 r5", "玩儿": "wan2 r5", "花儿": "hua1 r5", "事儿": "shi4 r5", "女儿": "nv3 er2",
    "儿子": "er2 zi5", "孩儿": "hai2 er2", "地上": "di4 shang5", "东西": "dong1 xi5", "南北东西": "nan2 bei3 dong1 xi1", "曾国藩": "zeng1 guo2 fan1",
    "朝阳区": "chao2 yang2 qu1", "单姓": "shan4 xing4", "便宜": "pian2 yi5", "不好意思": "bu4 hao3 yi4 si5", "没关系": "mei2 guan1 xi5",
    "没意思": "mei2 yi4 si5", "什么": "shen2 me5", "怎么": "zen3 me5", "多么": "duo1 me5", "那么": "na4 me5", "这么": "zhe4 me5",
    "干什么": "gan4 shen2 me5", "干吗": "gan4 ma2", "干嘛": "gan4 ma2", "说服": "shuo1 fu2", "还是": "hai2 shi5", "露馅": "lou4 xian4",
    "处处": "chu4 chu4", "都说": "dou1 shuo1", "首都": "shou3 du1", "成都": "cheng2 du1", "都市": "du1 shi4",
}  # fmt: skip
_NEUTRAL_LAST = frozenset(
    "朋友 先生 知道 告诉 喜欢 时候 地方 漂亮 衣服 眼睛 明白 意思 认识 事情 消息 休息 学生 客气 麻烦 关系 故事 窗户 太阳 暖和 琢磨 "
    "妈妈 爸爸 哥哥 姐姐 弟弟 妹妹 爷爷 奶奶 叔叔 姑姑 舅舅 宝宝 娃娃 星星 谢谢 看看 想想 试试 听听 走走 说说 等等 聊聊 问问 尝尝 "
    "护士 大方 精神 力气 脾气 运气 味道 名字 称呼 招呼 商量 打听 打算 打扮 收拾 照顾 应付 对付 耽误 清楚 舒服 热闹 干净 聪明 老实 "
    "厉害 新鲜 糊涂 结实 月亮 云彩 凉快 耳朵 鼻子 嘴巴 胳膊 指甲 骨头 舌头 石头 木头 馒头 丈夫 媳妇 姑娘 小伙子 亲戚 师傅 大夫 "
    "豆腐 萝卜 葡萄 黄瓜 点心 包袱 铺盖 玻璃 钥匙 扇子 灯笼 笤帚 钟头 早上 晚上 上边 下边 里边 外边 前边 后边 左边 右边 上面 下面 "
    "里面 外面 前面 后面 家里 心里 手里 屋里 城里 哪里 那里 这里 路上 街上 桌上 墙上 天上 身上 世上 脸上 书上 部分 本事 生意 买卖 "
    "动静 规矩 机灵 伶俐 疙瘩 委屈 吩咐 嘱咐 埋怨 佩服 唠叨 别扭 马虎 稀罕 疼得 合同 学问 用处 好处 坏处 难处 出来 出去 进来 进去 "
    "回来 回去 过来 过去 起来 上来 上去 下来 下去".split()
)
_PARTICLES = {
    "的": "de5", "了": "le5", "着": "zhe5", "们": "men5", "吗": "ma5", "呢": "ne5", "吧": "ba5", "啊": "a5", "呀": "ya5", "嘛": "ma5",
    "地": "de5", "得": "de5", "么": "me5", "个": "ge5", "哦": "o5", "啦": "la5", "哇": "wa5", "喽": "lou5",
}  # fmt: skip
_DIGITS = frozenset("零一二三四五六七八九十百千万亿两〇点第")
_VERBS_OF_OWING = "钱书债款给清你我他她它"
_HAN = re.compile(r"[\u3400-\u9fff]")


@dataclass(frozen=True, slots=True)
class Syllable:
    """One syllable: pinyin without tone (ü as v), tone 1..5 as it is spoken, and the index of its word."""

    pinyin: str
    tone: int
    word: int


def pronounce(words: Sequence[str], pauses: Sequence[bool]) -> list[str]:
    """Give each word its phonemes, in the order given; characters that are not Mandarin are passed over.

    words: what is said, e.g. ["银行", "行长"]; pauses: whether a pause follows each, over which no sandhi reaches.
    """
    said = [""] * len(words)
    for syllable in read(words, pauses):
        said[syllable.word] += spell(syllable)
    return said


def read(words: Sequence[str], pauses: Sequence[bool]) -> list[Syllable]:
    """The syllables of words that are said together, with the tones that are heard (after sandhi)."""
    spoken: list[Syllable] = []
    for start, end in _stretches(pauses, len(words)):
        text = "".join("".join(_HAN.findall(w)) for w in words[start:end])
        owner = [k for k in range(start, end) for _ in _HAN.findall(words[k])]
        pinyin = _pinyin(text, owner)
        syllables = [Syllable(p[:-1], int(p[-1]), k) for p, k in zip(pinyin, owner, strict=True)]
        spoken += _sandhi(syllables, text)
    return spoken


def spell(syllable: Syllable) -> str:
    """Kokoro's symbols for one syllable."""
    pinyin, tone = syllable.pinyin, _TONES[syllable.tone]
    if pinyin in _WHOLE:
        return _WHOLE[pinyin].replace("0", tone)
    erized = pinyin.endswith("r") and pinyin != "er"
    pinyin = pinyin.removesuffix("r") if erized else pinyin
    initial, final = _split(pinyin)
    if final == "i" and initial in {"zh", "ch", "sh", "r", "z", "c", "s"}:
        body = "ɨ0"
    else:
        body = _FINALS[final]
        if initial in {"b", "p", "m", "f"} and final == "o":
            body = "wo0"
    return _INITIALS.get(initial, "") + body.replace("0", tone) + ("ɚ" if erized else "")


def _split(pinyin: str) -> tuple[str, str]:
    """Initial and full final of written pinyin: yi -> i, wu -> u, ju -> jü, liu -> liou."""
    if pinyin.startswith("y"):
        rest = pinyin[1:]
        if rest[0] == "u":
            return "", "v" + rest[1:]  # yu, yue, yuan, yun
        return "", rest if rest[0] == "i" else {"ou": "iou", "o": "io"}.get(rest, "i" + rest)
    if pinyin.startswith("w"):
        rest = pinyin[1:]
        return "", rest if rest == "u" else {"ei": "uei", "en": "uen"}.get(rest, "u" + rest)
    for initial in _INITIALS:
        if pinyin.startswith(initial):
            rest = pinyin[len(initial) :]
            if initial in {"j", "q", "x"} and rest.startswith("u"):
                rest = "v" + rest[1:]
            return initial, rest.replace("ü", "v")
    return "", pinyin


def _stretches(pauses: Sequence[bool], count: int) -> list[tuple[int, int]]:
    cuts = [0, *(i + 1 for i in range(count) if pauses[i]), count]
    return [(a, b) for a, b in zip(cuts[:-1], cuts[1:], strict=True) if a < b]


def _pinyin(text: str, owner: Sequence[int]) -> list[str]:
    """One numbered pinyin a character. Our phrases first, longest first; then the word's reading; then the context's."""
    from pypinyin import Style, lazy_pinyin

    result: list[str] = [""] * len(text)
    i = 0
    while i < len(text):
        end = i + 1
        while end < len(text) and owner[end] == owner[i]:
            end += 1
        word = text[i:end]
        got = lazy_pinyin(word, style=Style.TONE3, neutral_tone_with_five=True, v_to_u=False)
        if len(got) != len(word):
            got = [lazy_pinyin(c, style=Style.TONE3, neutral_tone_with_five=True)[0] for c in word]
        if len(word) > 1 and word in _NEUTRAL_LAST:
            got[-1] = got[-1][:-1] + "5"
        result[i:end] = got
        for k in range(i, end):
            chosen = _by_context(text, k, k - i, len(word))
            if chosen:
                result[k] = chosen
        i = end
    for k in range(len(text)):
        for length in (4, 3, 2):
            phrase = _PHRASES.get(text[k : k + length])
            # A phrase may join words, but not take the second half of one and the first half of the next.
            if phrase and len(phrase.split()) == length and k + length <= len(text) and _whole(owner, k, k + length):
                result[k : k + length] = phrase.split()
                break
    known = re.compile(r"^[a-zü]+[1-5]$")
    return [p if known.match(p) else "ə5" if not p else (p + "5" if known.match(p + "5") else "e5") for p in result]


def _whole(owner: Sequence[int], start: int, end: int) -> bool:
    """Whether start..end cuts no word at one of its edges, or lies within one word."""
    if owner[start] == owner[end - 1]:
        return True
    return (start == 0 or owner[start - 1] != owner[start]) and (end == len(owner) or owner[end] != owner[end - 1])


def _by_context(text: str, k: int, place: int, length: int) -> str:
    """The reading of a character that stands alone, or that the dictionary reads wrongly within a word; '' for the word's."""
    c = text[k]
    before, after = text[k - 1 : k], text[k + 1 : k + 2]
    alone = length == 1
    if c == "得":
        if (
            alone
            and (not before or before in "我你他她它们也就还都可总" or (after and after in "去走回赶快多好先"))
            and not (before in "跑走说做写唱跳长吃睡" and before)
        ):
            return "dei3"
        return (
            "de5"
            if alone
            or (place == length - 1 and length == 2 and before in "跑走说做写唱跳长吃睡玩干飞来过")
            or (0 < place < length - 1 and length >= 3)
            else ""
        )
    if c == "地":
        return "de5" if alone and before and after and after not in "上下里面是" else ""
    if c == "了":
        return (
            "le5"
            if alone or (place == length - 1 and before not in "不为" and length > 1 and text[k - 1 : k + 1] not in {"明了"})
            else ""
        )
    if c == "着":
        return "zhe5" if alone and before else ""
    if c == "还" and alone:
        return (
            "huan2"
            if after
            and after in _VERBS_OF_OWING
            and after != ""
            and not (after in "你我他她它给清" and before and before in "我你他")
            else "hai2"
        )
    if not alone:
        return _PARTICLES[c] if c == "们" else ""
    if c == "长":
        return (
            "zhang3" if (before and before in "会院校市省县部局队船家班") or (after and after in "得大高胖出满成") else "chang2"
        )
    if c == "行":
        return "hang2" if before and before in "一两三四五六七八九十几每第各银同" and after not in "人为" else "xing2"
    if c == "重":
        return "chong2" if (before and before in "双") or (after and after in "新来做写建复") else "zhong4"
    if c == "都":
        return "dou1"
    if c == "为":
        return "wei2" if before and before in "成作认称视" else "wei4"
    if c == "只":
        return "zhi1" if before and before in "一两三四五六七八九十几这那每百千" else "zhi3"
    if c == "种":
        return "zhong3" if before and before in "一两三四五六七八九十几这那每各多某" else "zhong4"
    if c == "好":
        return "hao3"
    if c == "教":
        return "jiao1"
    if c == "数":
        return "shu3"
    if c == "倒":
        return "dao4" if after and after in "了一水茶酒车满出" and before not in "摔跌打推" else "dao3"
    if c == "当":
        return "dang1"
    if c == "干":
        return "gan4" if after and after in "活什得了完嘛吗" else "gan1"
    if c == "空":
        return "kong4" if before and before in "有没抽" else "kong1"
    if c == "假":
        return "jia4" if before and before in "放请休病事" else "jia3"
    if c == "便":
        return "bian4"
    if c == "觉":
        return "jiao4" if before and before in "睡个" else "jue2"
    if c == "差":
        return "chai1" if before and before in "出" else "cha4"
    if c == "背":
        return "bei1" if after and after in "着起包书" and not (after == "书" and before == "在") else "bei4"
    if c == "弹":
        return "tan2"
    if c == "更":
        return "geng4"
    if c == "难":
        return "nan2"
    if c == "少":
        return "shao3"
    if c == "乐":
        return "le4"
    if c == "转":
        return "zhuan3"
    if c == "中":
        return "zhong4" if after and after in "了奖毒" and before != "其" else "zhong1"
    if c == "发":
        return "fa1"
    if c == "给":
        return "gei3"
    if c == "和":
        return "he2"
    if c == "量":
        return "liang2" if after and after in "一了体身血" else "liang4"
    return _PARTICLES.get(c, "") if before else ""


def _sandhi(syllables: list[Syllable], text: str) -> list[Syllable]:
    """Tones as they are heard: 一 and 不 first, then the third tone, inside words and then across them from the right."""
    tones = [s.tone for s in syllables]
    count = len(tones)
    for i, c in enumerate(text):
        after = tones[i + 1] if i + 1 < count else 0
        before_c, after_c = text[i - 1 : i], text[i + 1 : i + 2]
        if c == "不" and syllables[i].pinyin == "bu":
            if 0 < i < count - 1 and before_c == after_c:
                tones[i] = 5
            elif after == 4 and tones[i] != 5:
                tones[i] = 2
        elif c == "一" and syllables[i].pinyin == "yi":
            if before_c and before_c == after_c and before_c not in _DIGITS:
                tones[i] = 5
            elif (
                (before_c and before_c in _DIGITS)
                or not after_c
                or (after_c in _DIGITS and after_c not in "百千万亿点")
                or after_c in "月号楼"
            ):
                tones[i] = 1
            elif tones[i] != 5:
                tones[i] = 2 if after == 4 or after_c == "个" else 4
    spans: list[tuple[int, int]] = []
    i = 0
    while i < count:
        end = i + 1
        while end < count and syllables[end].word == syllables[i].word:
            end += 1
        spans.append((i, end))
        i = end
    for start, end in spans:
        if end - start == 3 and tones[start:end] == [3, 3, 3]:
            # 展览馆 (2+1): 2 2 3; 小老虎 (1+2): 3 2 3
            tones[start:end] = [3, 2, 3] if text[start] in "小老好很纸" else [2, 2, 3]
        else:
            for k in range(end - 2, start - 1, -1):
                if tones[k] == 3 and tones[k + 1] == 3:
                    tones[k] = 2
    for (_, end), _next in zip(reversed(spans[:-1]), reversed(spans[1:]), strict=True):
        if tones[end - 1] == 3 and tones[end] == 3:
            tones[end - 1] = 2
            start = next(a for a, b in spans if b == end)
            if end - start >= 2 and tones[end - 2] == 3:
                tones[end - 2] = 2
    return [Syllable(s.pinyin, t, s.word) for s, t in zip(syllables, tones, strict=True)]


@functools.cache
def segment(text: str) -> tuple[str, ...]:
    """Cut running text into words, for callers that have none."""
    import jieba

    return tuple(jieba.lcut(text))
