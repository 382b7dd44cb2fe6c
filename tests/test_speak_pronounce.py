"""Which reading is meant: tables of homographs, weak forms and sandhi, and that every symbol is one that the model knows."""

from __future__ import annotations

import re

import jieba
import pytest

from animacy.speak import english, mandarin
from animacy.speak.phones import PAUSES, SYMBOLS, TOKENS, emphasise, phones

jieba.setLogLevel(60)

# sentence with the word in question in [brackets], and what it is to sound like
ENGLISH = """I [read] the book yesterday.	ɹˈɛd
I will [read] the book.	ɹˈid
She has [read] it twice.	ɹˈɛd
They [read] every day.	ɹˈid
Follow the [lead] of the captain.	lˈid
The pipes are made of [lead].	lˈɛd
The [lead] paint was removed.	lˈɛd
All roads [lead] to Rome.	lˈid
We [live] in a small town.	lˈɪv
The band played [live] on stage.	lˈIv
It was a [live] show.	lˈIv
The strong [wind] blew all night.	wˈɪnd
Please [wind] up the clock.	wˈInd
A [tear] fell down her cheek.	tˈɪɹ
Do not [tear] the paper.	tˈɛɹ
Please [record] the meeting.	ɹəkˈɔɹd
She broke the world [record].	ɹˈɛkəɹd
He gave her a [present].	pɹˈɛzᵊnt
They will [present] the prize.	pɹizˈɛnt
Nobody was [present] at the time.	pɹˈɛzᵊnt
Please [close] the door.	klˈOz
Stay [close] to me.	klˈOs
They are [close] friends.	klˈOs
What is the [use] of it?	jˈus
You can [use] my phone.	jˈuz
He took a [bow].	bˈW
She shot an arrow with a [bow].	bˈO
Wait a [minute].	mˈɪnət
The [minute] details matter.	mInˈut
What is that [object]?	ˈɑbʤəkt
I [object] to this plan.	əbʤˈɛkt
I am [content] with it.	kəntˈɛnt
The [content] of the page changed.	kˈɑntɛnt
They signed the [contract].	kˈɑntɹˌækt
Metals [contract] in the cold.	kəntɹˈækt
They crossed the [desert].	dˈɛzəɹt
He would never [desert] his friends.	dəzˈɜɹt
The nurse cleaned the [wound].	wˈund
She [wound] up the toy.	wˈWnd
We [refuse] to pay.	ɹəfjˈuz
They [produce] cheese here.	pɹədˈus
Farms sell fresh [produce].	pɹˈOdˌus
The [project] is late.	pɹˈɑʤˌɛkt
You need a [permit].	pˈɜɹmɪt
We cannot [permit] that.	pəɹmˈɪt
I [used] to swim here.	jˈust
He [used] a knife.	jˈuzd
Please [separate] the eggs.	sˈɛpəɹˌAt
They sleep in [separate] rooms.	sˈɛpəɹət
He [does] it well.	dˌʌz
She plays the [bass] guitar.	bˈAs
The [Polish] team won.	pˈOlɪʃ
I [polish] my shoes.	pˈɑlɪʃ
[The] end is near.	ði
[The] dog sleeps.	ðə
I want [to] eat.	tʊ
I want [to] go.	tə
What are you looking [for]?	fɔɹ""".splitlines()

# text, with the character in question in [brackets], and its pinyin as it is heard
MANDARIN = """[银]行	yin2
银[行]	hang2
他是[行]人	xing2
银行[行]长	hang2
银行行[长]	zhang3
这条路很[长]	chang2
孩子[长]大了	zhang3
校[长]来了	zhang3
长[长]的路	chang2
[重]要	zhong4
[重]新开始	chong2
[重]庆	chong2
箱子很[重]	zhong4
吃饭[了]	le5
我[了]解他	liao2
忘不[了]	liao3
他[还]没来	hai2
[还]钱	huan2
[还]是算了	hai2
跑[得]快	de5
我[得]走了	dei2
觉[得]	de5
[得]到	de2
慢慢[地]走	de5
土[地]	di4
看[着]我	zhe5
[着]急	zhao2
睡[着]了	zhao2
[都]来了	dou1
首[都]	du1
音[乐]	yue4
快[乐]	le4
方[便]	bian4
[便]宜	pian2
睡[觉]	jiao4
[觉]得	jue2
[差]不多	cha4
出[差]	chai1
[为]什么	wei4
认[为]	wei2
[好]人	hao3
爱[好]	hao4
一[种]	zhong3
[种]花	zhong4
[只]有	zhi2
一[只]猫	zhi1
[调]查	diao4
空[调]	tiao2
[数]学	shu4
[教]书	jiao1
[教]室	jiao4
头[发]	fa5
[发]现	fa1
[干]净	gan1
[干]什么	gan4
[空]气	kong1
有[空]	kong4
放[假]	jia4
真[假]	jia3
[弹]琴	tan2
子[弹]	dan4
[传]说	chuan2
自[传]	zhuan4
投[降]	xiang2
[朝]阳	zhao1
到[处]	chu4
[处]理	chu2
照[相]	xiang4
[相]信	xiang1
[中]国	zhong1
[中]奖	zhong4
[曾]经	ceng2
主[角]	jue2
[量]体温	liang2
数[量]	liang4
[倒]水	dao4
摔[倒]	dao3
[参]加	can1
人[参]	shen1
[你]好	ni2
[不]是	bu2
[不]好	bu4
[一]个	yi2
[一]天	yi4
第[一]	yi1
看[一]看	yi5
好[不]好	bu5
水[果]	guo3
[水]果	shui2
我们[的]	de5
桌[子]	zi5
女[儿]	er2""".splitlines()


def spoken(text: str) -> list[english.Token]:
    tokens: list[english.Token] = []
    for piece in re.findall(r"[A-Za-z']+|[,.?!]", text):
        if piece in ",.?!":
            tokens[-1] = english.Token(tokens[-1].text, piece)
        else:
            tokens.append(english.Token(piece))
    return tokens


@pytest.mark.parametrize("row", ENGLISH)
def test_english_words_are_read_as_their_sentence_means_them(row: str) -> None:
    line, wanted = row.split("\t")
    at = len(re.findall(r"[A-Za-z']+", line[: line.index("[")]))
    assert english.pronounce(spoken(line.replace("[", "").replace("]", "")))[at] == wanted


@pytest.mark.parametrize("row", MANDARIN)
def test_mandarin_characters_are_read_as_their_phrase_means_them(row: str) -> None:
    line, wanted = row.split("\t")
    at = line.index("[")
    words = jieba.lcut(line.replace("[", "").replace("]", ""))
    got = mandarin.read(words, [False] * len(words))[at]
    assert f"{got.pinyin}{got.tone}" == wanted


def test_no_sandhi_reaches_over_a_pause() -> None:
    assert [s.tone for s in mandarin.read(["我", "好"], [False, False])] == [2, 3]
    assert [s.tone for s in mandarin.read(["我", "好"], [True, False])] == [3, 3]


def test_every_syllable_of_the_dictionary_is_spelled_in_symbols_that_the_model_knows() -> None:
    from pypinyin import Style, pinyin

    seen = set()
    for code in range(0x4E00, 0x9FA6):
        seen.update(s for s in pinyin(chr(code), style=Style.TONE3, neutral_tone_with_five=True, heteronym=True)[0])
    syllables = sorted(s for s in seen if re.fullmatch(r"[a-zü]+[1-5]", s))
    assert len(syllables) > 1200
    for s in syllables:
        ps = mandarin.spell(mandarin.Syllable(s[:-1], int(s[-1]), 0))
        assert ps
        assert set(ps) <= TOKENS.keys(), s
        assert {p.symbol for p in phones(ps)} <= SYMBOLS, s


def test_acronyms_are_spelled_with_the_stress_on_the_last_letter() -> None:
    said = english.pronounce(
        [english.Token("F", letters=True), english.Token("B", letters=True), english.Token("I", letters=True)]
    )
    assert said == ["ˌɛf", "bˌi", "ˈI"]


def test_a_name_in_no_dictionary_is_still_said() -> None:
    said = english.pronounce([english.Token("Zyxwark"), english.Token("Brontë"), english.Token("🙂")])
    assert said[0]
    assert said[1]
    assert said[2] == ""
    assert set(said[0] + said[1]) <= TOKENS.keys()


def test_diphthongs_affricates_and_r_coloured_vowels_are_one_phone() -> None:
    assert [p.symbol for p in phones("ʧˈYs bˈɛTəɹ əɹˈWnd")] == ["tʃ", "ɔɪ", "s", "b", "ɛ", "ɾ", "ɚ", "ə", "ɹ", "aʊ", "n", "d"]
    assert [p.symbol for p in phones("ꭧʰɨ→ʦɨ↘ɕjau↓ʨʰɥɛ↗n")] == ["ʈʂʰ", "ɻ̩", "ts", "ɹ̩", "ɕ", "j", "aʊ", "tɕʰ", "ɥ", "ɛ", "n"]


def test_phones_take_up_each_symbol_once() -> None:
    text = "ðə kwˈɪk, bɹˈWn ɕja→ŋ."
    spans = [(p.start, p.end) for p in phones(text)]
    covered = "".join(text[a:b] for a, b in spans)
    assert covered == "".join(c for c in text if c not in PAUSES + " ")


def test_emphasis_gives_a_function_word_its_stress() -> None:
    assert emphasise("wɪl") == "wˈɪl"
    assert emphasise("wˌi") == "wˈi"
    assert emphasise("ɹˈid") == "ɹˈid"
