"""Figures of speech that tell a feeling which none of their words names, and thanks and praise that are meant as blame.

An embedding of a sentence takes most of what an idiom means from its words, and praise for praise. Idioms are fixed, so a list
serves: these are ones in common use, for either language. Irony shows where praise meets a mishap (Riloff et al. 2013,
"Sarcasm as contrast between a positive sentiment and negative situation").
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from .script import word_list

# {} is any one's: my, his, the old man's. Verbs that inflect are given by all their forms, so that nothing else matches.
_WHOSE = r"(?:my|your|his|her|its|our|their|the|one's|(?:\w+ ){0,2}\w+['’]s?)"
_ENGLISH = {
    "joy": r"""on cloud nine|over the moon|on top of the world|in (?:the )?seventh heaven
        |walk(?:s|ed|ing)? on (?:air|sunshine)|tickled pink|tickled to death|happy as (?:a|an) \w+|jump(?:s|ed|ing)? for joy
        |like a (?:kid|child) in a (?:candy|sweet) ?shop|like a (?:kid|child) on christmas|full of the joys of spring
        |in high spirits|pleased as punch|thrilled to bits|grin(?:s|ned|ning)? from ear to ear|grinning like a cheshire cat
        |(?:makes?|made|making) {} day|on a high|music to {} ears
        |{} heart (?:sings?|sang|leapt|leaps|swell(?:s|ed)|was singing)|a dream come true|dreams? (?:came|come|comes) true
        |having the time of {} li(?:fe|ves)|had the time of {} li(?:fe|ves)|having a ball|had a ball
        |(?:is|am|are|was|were) beaming|could(?:n['’]t| not) be happier|could(?:n['’]t| not) be better
        |could(?:n['’]t| not) have gone better|(?:never|not) been better|nothing could be better
        |breath(?:e|es|ed|ing) a sigh of relief|a weight off {} (?:mind|shoulders)|burst(?:s|ing)? with pride
        |best day of {} life|laugh(?:s|ed|ing)? (?:until|till) (?:it hurts?|{} sides? \w+|i cried|we cried)
        |couldn['’]t stop (?:laughing|smiling|grinning)|in stitches|buzzing with joy|head over heels|chuffed(?: to bits)?""",
    "anger": r"""(?:makes?|made|making) {} blood boil|{} blood (?:boils|is boiling|was boiling|boiled)
        |(?:hit|hits|hitting|go(?:es)? through|went through) the (?:roof|ceiling)
        |(?:had|have had|['’]ve had) (?:it )?up to here|(?:had|have|has|['’]ve had) enough of {}|see(?:s|ing)? red|saw red
        |(?:fly|flies|flew|flying) (?:off the handle|into a rage)
        |(?:blow|blows|blew|blowing|blown) (?:a fuse|a gasket|{} (?:top|stack|lid))
        |(?:lose|loses|lost|losing) {} (?:temper|rag|cool|patience)|at the end of {} (?:rope|tether)
        |(?:drive|drives|driving|drove) {} (?:up the wall|crazy|mad|round the bend)
        |(?:drive|drives|driving|drove) (?:me|him|her|us|them) (?:up the wall|crazy|mad|round the bend|nuts|insane)
        |(?:get|gets|getting|got) (?:on|under) {} (?:nerves|skin|goat)|(?:get|gets|getting|got) {} goat
        |rub(?:s|bed|bing)? (?:me|him|her|us|them) (?:up )?the wrong way|sick and tired of|fed up with|hopping mad
        |foam(?:s|ed|ing)? at the mouth|up in arms|the (?:last|final) straw|(?:makes?|made) (?:me|him|her|us|them) see red
        |steam(?: was)? (?:coming|came) out of {} ears|go(?:es|ing)? ballistic|went ballistic
        |(?:bite|bites|bit|biting) {} head off|(?:jump|jumps|jumped|jumping) down {} throat|with smoke coming out
        |out for blood|beside (?:him|her|my)self with (?:rage|anger)|(?:add|adds|adding|added) insult to injury
        |how dare (?:you|he|she|they)|who do (?:you|they) think (?:you|they) are|get off my back|grind(?:s|ing)? {} gears
        |like a red rag to a bull|a slap in the face|(?:hot|collar) under the collar|at boiling point|throw(?:s|ing)? a fit
        |threw a fit""",
    "sadness": r"""down in the dumps|(?:break|breaks|broke|breaking|broken) {} heart
        |{} heart (?:breaks|broke|sank|sinks|aches|ached|is breaking|was breaking|is broken)
        |(?:feel|feels|feeling|felt|is|am|are|was|were) (?:so |really |rather )?(?:blue|low|down in the mouth)
        |with a heavy heart|{} heart (?:is|was) heavy|cr(?:y|ies|ied|ying) {} (?:eyes|heart) out
        |(?:burst|bursts|bursting|broke|break) (?:into|out in|down in) tears|in floods of tears
        |(?:close|moved|reduced) to tears|eyes full of tears|a lump in {} throat|(?:in|at) rock bottom
        |(?:hit|hits|reached) rock bottom|under a (?:dark )?cloud|a long face
        |{} world (?:fell apart|collapsed|came crashing down)|(?:feel|feels|felt) (?:empty|numb) inside
        |all hope (?:is|was) (?:gone|lost)|out of sorts|lost the will to|in the doldrums|grief[- ]stricken
        |{} spirits (?:sank|fell)|(?:never|not) got to say goodbye|(?:left|leaves) a hole in {} (?:heart|life)
        |(?:nothing|nobody|no one) (?:can |could |ever )?(?:makes?|made) (?:me|him|her|us|them|\w+) (?:laugh|smile|happy)
        |sob(?:s|bed|bing)? {}self to sleep|pull(?:s|ed)? at {} heartstrings|tears? (?:ran|running|rolled|streaming) down""",
    "fear": r"""{} heart (?:was|is) in {} mouth|with {} heart in {} mouth
        |(?:gives?|gave|giving) (?:me|him|her|us|them|you|anyone|\w+) the (?:creeps|willies|shivers|heebie[- ]jeebies)
        |{} (?:blood|bones) (?:ran|runs|went|froze|turned) ?(?:cold|to ice)?|blood[- ]curdling
        |{} hair (?:stand|stood|standing|stands) on end|send(?:s|ing)? (?:a )?shivers? (?:down|up) {} spine
        |sent (?:a )?shivers? (?:down|up) {} spine|shak(?:e|es|ing) like a leaf|shook like a leaf
        |shak(?:e|es|ing) in {} (?:boots|shoes)|quak(?:e|es|ing) in {} boots|trembl(?:e|es|ed|ing) with fear
        |(?:jump|jumps|jumped) out of {} skin
        |scar(?:e|es|ed|ing) (?:the (?:life|daylights|living daylights|hell) out of|stiff|to death|out of {} wits)
        |frightened (?:to death|out of {} wits)|(?:get|gets|got|getting|have|had) cold feet|butterflies in {} stomach
        |on pins and needles|on the edge of {} seat|white as a (?:sheet|ghost)|like a deer in (?:the )?headlights
        |(?:break|breaks|broke|breaking) (?:out )?in(?:to)? a cold sweat
        |{} knees (?:knock|knocked|were knocking|gave way|buckled)|{} stomach (?:was |is )?in knots
        |(?:froze|frozen) (?:with fear|to the spot)|rooted to the spot|scared stiff|makes? {} skin crawl with fear
        |a bundle of nerves|{} legs (?:would not|wouldn['’]t|won['’]t) move|goose ?bumps of fear""",
    "surprise": r"""knocked (?:me|him|her|us|them) (?:down|over) with a feather|out of (?:the blue|nowhere)
        |(?:my|his|her|our|their|\w+['’]s) jaws? (?:drops?|dropped|hit the floor)
        |couldn['’]t believe (?:my|his|her|our|their) (?:eyes|ears|luck)|can(?:['’]t|not) believe {} (?:eyes|ears)
        |(?:take|takes|taken|took) (?:me|him|her|us|them|\w+)? ?(?:aback|by surprise)|a bolt (?:from|out of) the blue
        |(?:catch|catches|caught) (?:me |him |her |us |them )?off guard|(?:raise|raised) (?:some|a few) eyebrows
        |who would have (?:thought|guessed)|did(?:n['’]t| not) see (?:that|this|it) coming|well,? i never|you don['’]t say
        |knock(?:s|ed)? (?:my|his|her) socks off|at a loss for words|lost for words|speechless|did a double take
        |eyes? popped out|(?:eyes|mouth) wide open in|what a surprise
        |to (?:my|his|her|our|their|everyone['’]s) (?:great )?(?:surprise|amazement|astonishment)|fell off {} chair
        |(?:drop|dropped) a bombshell""",
    "disgust": r"""(?:turns?|turned|turning) {} stomach|{} stomach (?:turns|turned|churns|churned|heaves|heaved)
        |makes? (?:me|you|him|her|us|them) (?:sick(?: to {} stomach)?|want to (?:throw up|vomit|puke|gag))
        |made (?:me|him|her|us|them) (?:want to )?(?:throw up|vomit|puke|gag|retch)|makes? {} (?:skin|flesh) crawl
        |made {} (?:skin|flesh) crawl|leaves? a bad taste in {} mouth|left a bad taste in {} mouth|sick to {} stomach
        |grosse[sd] (?:me|him|her|us|them) out|(?:can|could)(?:n['’]t|not| not) stomach
        |wouldn['’]t touch (?:it|that|him|her) with a|stinks? to high heaven|lost {} appetite""",
}
_MANDARIN = {
    "joy": """喜出望外 眉开眼笑 乐开了花 心花怒放 兴高采烈 欢天喜地 手舞足蹈 欣喜若狂 喜气洋洋 笑逐颜开 眉飞色舞 得意洋洋
        心满意足 喜上眉梢 乐不可支 捧腹大笑 哈哈大笑 笑得合不拢嘴 笑得停不下来 大喜过望 喜极而泣 破涕为笑 皆大欢喜
        欢呼雀跃 高高兴兴 开开心心 乐滋滋 美滋滋 喜滋滋 乐呵呵 笑呵呵 春风得意 沾沾自喜 其乐融融 心旷神怡 如愿以偿
        松了一口气 松了口气 甜在心里 心里甜 暖洋洋 乐此不疲 再好不过 求之不得 喜笑颜开 甜蜜蜜 美梦成真""",
    "anger": """咬牙切齿 令人发指 暴跳如雷 七窍生烟 怒发冲冠 怒不可遏 怒气冲冲 大发雷霆 勃然大怒 气急败坏 义愤填膺 忍无可忍
        岂有此理 怒火中烧 恼羞成怒 气不打一处来 恨之入骨 牙痒痒 怒目而视 火上浇油 欺人太甚 气炸 气死 气疯 气坏 火大
        拍案而起 深恶痛绝 破口大骂 受够了 吹胡子瞪眼 横眉竖眼 大动肝火 令人愤慨 怨声载道 得寸进尺 蛮不讲理 欺负人
        不可理喻 气呼呼 怒冲冲 肺都气炸 太过分""",
    "sadness": """以泪洗面 心如刀割 泣不成声 愁眉苦脸 肝肠寸断 垂头丧气 痛不欲生 悲痛欲绝 心灰意冷 黯然神伤 泪流满面 泪如雨下
        热泪盈眶 声泪俱下 痛哭流涕 万念俱灰 郁郁寡欢 闷闷不乐 伤心欲绝 撕心裂肺 欲哭无泪 潸然泪下 无精打采 心酸
        失魂落魄 悲从中来 孤苦伶仃 孤零零 唉声叹气 长吁短叹 眼眶湿了 红了眼眶 眼泪掉 流下了眼泪 哭成泪人 哭红了
        鼻子一酸 心都碎了 心碎了 难受得 悲欢离合 依依不舍 触景生情 愁容满面 泪水 抹眼泪 天塌了 阴阳两隔""",
    "fear": """魂飞魄散 毛骨悚然 面如土色 胆战心惊 心惊肉跳 提心吊胆 惊慌失措 不寒而栗 瑟瑟发抖 浑身发抖 战战兢兢 心惊胆战
        魂不附体 大惊失色 惶恐不安 胆小如鼠 惊弓之鸟 后背发凉 后背一凉 脊背发凉 头皮发麻 吓破了胆 吓得 吓死 吓坏
        冷汗 两腿发软 腿都软了 腿软 直打哆嗦 打哆嗦 草木皆兵 人心惶惶 忐忑不安 坐立不安 七上八下 六神无主 手心冒汗
        心有余悸 闻风丧胆 屁滚尿流 起鸡皮疙瘩 汗毛都竖 不敢出声 不敢动 不敢睁 捏一把汗 捏了一把汗 慌了神""",
    "surprise": """目瞪口呆 瞠目结舌 张口结舌 大吃一惊 出乎意料 出人意料 晴天霹雳 难以置信 不可思议 始料未及 意想不到 喜从天降
        瞪大了眼睛 大跌眼镜 下巴都掉 惊掉了下巴 惊呆 万万没想到 没想到 想不到 做梦也没想到 居然 竟然 谁也没料到
        没料到 从天而降 不敢相信自己的 太阳从西边出来 面面相觑 匪夷所思 叹为观止 愣住了 傻了眼 傻眼""",
    "disgust": """令人作呕 不堪入目 倒胃口 不忍直视 臭不可闻 臭气熏天 臭烘烘 恶臭 想吐 作呕 反胃 呕吐 吐出来 脏兮兮 油腻腻
        黏糊糊 蟑螂 蛆 馊 发霉 长毛了 鼻屎 鼻涕 吐痰 口水 脚皮 脚气 腐烂 烂掉 臭虫 脏得 乌烟瘴气 污秽不堪
        令人不齿 藏污纳垢 苍蝇 虫子 鼻孔 马桶""",
}

# What turns the stomach wherever it is met (Haidt, McCauley and Rozin 1994: food, animals, what bodies give off).
_FOUL = r"""maggots?|cockroach(?:es)?|vomit\w*|puk(?:e|ed|ing)|mou?ldy|rancid|putrid|snot|toenails?|spat (?:on|in)
    |stench|sewage|pus|hairs? in (?:the|my|his|her) (?:soup|food|salad|dinner|sandwich|pasta|milk)|ear ?wax|used plaster
    |yuck|e+w+|gross"""


def _pattern(source: str) -> re.Pattern[str]:
    return re.compile(
        r"(?<![\w'’])(?:" + "".join(line.strip() for line in source.replace("{}", _WHOSE).splitlines()) + r")(?![\w'’])",
        re.IGNORECASE,
    )


_IDIOMS = {name: _pattern(source) for name, source in _ENGLISH.items()}
_IDIOMS["disgust"] = _pattern(_ENGLISH["disgust"] + "|" + _FOUL)
_HAN = {name: re.compile("|".join(sorted(word_list(words), key=len, reverse=True))) for name, words in _MANDARIN.items()}
# The most there is, and a burden that is gone.
_MOST_HAN = re.compile(
    "(?:从来没有?|从没有?|还没|没有?(?:什么)?比.{1,5}|再没有比.{1,5})(?:过|见过)?.{0,2}?(?:这么|那么|如此|更).{0,3}?(?:开心|高兴|快乐|幸福|好|美|棒|自豪|舒服)|(?:再也|终于|总算|以后)不用"
)
_NOT = re.compile(
    r"(?:\b(?:not|never|no|isn|wasn|aren|weren|don|doesn|didn|won|hardly|without)\b['’]?t?(?:\s+\w+){0,2}\s*|(?:不是|没有|并不|并没|毫不|不会|别|不再))$",
    re.IGNORECASE,
)


def idioms(text: str) -> set[str]:
    """The emotions that the idioms in `text` tell; one that is denied tells none."""
    found = set()
    for table in (_IDIOMS, _HAN):
        for name, pattern in table.items():
            if any(not _NOT.search(text[max(m.start() - 24, 0) : m.start()]) for m in pattern.finditer(text)):
                found.add(name)
    return found | ({"joy"} if _MOST_HAN.search(text) else set())


# Praise and thanks that stand alone before a mishap, as blame has them: a word with a comma, "I just love being", "how kind of
# you to". Praise within a sentence is mostly meant: of 114 comments of GoEmotions with any praise before a mishap 4 were angry.
_GOOD = (
    "great|wonderful|fantastic|brilliant|perfect|lovely|nice|awesome|amazing|marvell?ous|splendid|terrific|excellent|"
    "delightful|charming|delicious|yum(?:my)?|tasty|fabulous|superb|magnificent|super|congratulations|bravo|"
    "well done|good job|nice one|way to go|"
    "lucky (?:me|us)|just my luck|how (?:nice|lovely|charming|kind|thoughtful|appetising|appetizing|romantic|wonderful)"
)
_PRAISE = re.compile(
    rf"^\W*(?:(?:oh|ah|well|wow|yeah|just|so|how|absolutely|simply)[\s,]+){{0,3}}(?:{_GOOD})\s*(?:[,:!.—-]|\s(?:idea"
    rf"|plan|move|timing|job|work) to\b)"
    r"|^\W*(?:oh,? )?i (?:just|absolutely|simply|do) (?:so )?(?:love|adore|enjoy) (?:it when|how|being|having"
    r"|getting|waiting|standing|sitting|paying|cleaning|when|to be|spending)\b"
    r"|^\W*(?:oh,? )?(?:(?:how|so|very) )?(?:kind|nice|thoughtful|considerate|sweet|generous|clever|lovely|good"
    r"|decent) of (?:you|them|him|her|the \w+) (?:all )?(?:to|not to)\b"
    r"|^\W*what an? (?:perfect|lovely|great|wonderful|fantastic|beautiful|romantic|delightful|brilliant|nice) \w+\s*[,:—]"
    r"|^\W*(?:oh,? )?(?:just )?what (?:i|we) (?:always |really )?(?:needed|wanted)\s*[,:—]"
    r"|^[^，。！：]{0,6}?(?:真是?(?:太)?|太|可真|还真|可太|多么?|真会)(?:好|棒|行|香|干净|贴心|体贴|聪明|礼貌|有礼貌|大方|会|讲究|幸运|不错|有良心|厉害|周到|准时|妙|完美|卫生"
    r"|难忘|享受|有才|能干|懂事|客气|热情|有素质|温柔|善解人意|够意思|好吃|美味|有水平|专业|及时|浪漫|走运|会挑时候)[^，。！：]{0,7}[，！：]"
    r"|^我?(?:真是|可|最)(?:太)?(?:喜欢|爱)"
    r"|^(?:哇|哦|嗯|啊|呵呵)?[，！ ]*(?:好极了|干得漂亮|干得好|恭喜|行啊|妙啊|可以啊|厉害了)[，！]"
    r"|运气(?:真|可真|太)好[，！]",
    re.IGNORECASE,
)
_THANKS = re.compile(
    r"^\W*(?:(?:oh|ah|well|yeah|wow|gee)[\s,]+)*(?:thanks|thank you)\b[^.!?,]{0,20}? for (.*)"
    r"|^(?:真是?)?(?:太)?(?:谢谢|多谢|感谢|谢了)(.*)",
    re.IGNORECASE,
)
# What goes wrong, and what is done to one.
_MISHAP = re.compile(
    r"\b(?:cancell?ed|delayed|too late|broken|broke (?:down|it|the)|breaks? down|crashed|flood(?:ed|s)?|on fire"
    r"|stuck|waiting (?:for|in|an?)|on hold|queue|traffic jam|spill(?:ed|s)?|stol(?:e|en)|ruin(?:ed|s)?|leak(?:s|ed"
    r"|ing)?|ignored|shouted|yelled|"
    r"flat (?:tyre|tire|battery)|puncture|at (?:two|three|four|five|[2-5]) in the morning|(?:at|past) midnight"
    r"|for (?:an hour|hours|two hours|three hours|\w+ hours)|after (?:we|i|you) (?:had |have )?(?:paid|left|signed"
    r"|bought)|as (?:always|usual)|without (?:me|us|asking)|"
    r"of all days|forgot(?:ten)?|locked|smashed|punished|overtime|snoring|alone|nobody|no one|last one"
    r"|everyone (?:but|except) me|before the (?:door|deadline)|"
    r"by myself|just me|dumped|wak(?:e|es|ing) (?:me|us)|woken|blamed|out of (?:order|paper|petrol|milk)|no (?:water"
    r"|power|signal|heating)|ran out|deleted|exploded|the (?:dishes|bags|bill)|one more (?:bill|fine)"
    r"|another (?:bill|fine|meeting|delay|flat)|lost my|lost our|the very first day|too late|flu|scratch(?:ed)?"
    r"|lied to)\b"
    r"|取消|延误|晚点|坏了|弄坏|着火|吃光|喝光|凌晨|半夜|排.{0,4}队|等.{0,5}(?:小时|半天)|小时的|偷|弄丢|漏水|堵车|骂|才(?:告诉|说)|迟到|忘了|忘记|锁在|一个人|没有?人|发烧"
    r"|最后一个|唯一|加班|罚款|停电|停水|断网|死机|爆了|泼|刮花|我的钱|拿我的|白(?:等|跑|忙)|不(?:洗|收拾|还)|害(?:我|得)|浪费|出卖|先刷|付完|交完|交了",
    re.IGNORECASE,
)
_HARM = re.compile(
    r"^(?:eating|stealing|breaking|ruining|wrecking|spoiling|waking|forgetting|ignoring|leaving (?:me|us|all)"
    r"|locking|losing|deleting|telling everyone|shouting|yelling|laughing at|blaming|scratching|spilling|burning"
    r"|blocking|interrupting|cancelling|"
    r"letting (?:me|us) (?:down|wait)|wasting|nothing|kicking|hitting|making (?:me|us) (?:wait|late|look|pay)"
    r"|using up|not (?:telling|calling|coming|asking|showing|helping)|never|lying|betraying|dumping|standing (?:me"
    r"|us) up|hanging up)\b"
    r"|把.{0,8}(?:吃光|喝光|弄坏|弄丢|砸|摔坏|删|泼|骗|扔|告诉)|害我|忘了我|骂我|偷|告诉所有人|吵醒|出卖|放我鸽子|插队|让我白",
    re.IGNORECASE,
)
_FOUL_HAN = re.compile("结块|发霉|馊|虫|蟑螂|马桶|臭|苍蝇|头发|鼻涕|吐痰|口水|霉")
_FOUL_LATIN = re.compile(
    rf"\b(?:{_FOUL}|mou?ld|flies|(?:a|another) (?:fly|hair|rat|mouse)|mice|spat|used (?:tissues?|plasters?)|rotten)\b",
    re.IGNORECASE,
)
_LEFT = re.compile(
    r"\b(?:alone|nobody|no one|last one|everyone (?:but|except) me|by myself|just me|without me|flu)\b"
    r"|一个人|没有?人|最后一个|唯一|没我",
    re.IGNORECASE,
)
_AGAIN = re.compile(r"\bagain\b|又", re.IGNORECASE)
_IRONIC = 120  # characters, at most


@dataclass(frozen=True, slots=True)
class Praise:
    """Praise or thanks that may be blame."""

    rest: str  # what is praised
    blame: str  # what it amounts to by the words of `rest`: "anger", "disgust", "sadness"; "" where they tell nothing
    sure: bool  # whether what is told is bad by itself, as being cancelled is; happening again is not
    thanks: bool


def praise(text: str) -> Praise | None:
    """The praise or thanks that the sentence `text` begins with; None where it does not, or goes on for long."""
    text = text.strip()
    if len(text) > _IRONIC:
        return None
    thanks = _THANKS.match(text)
    if thanks:
        rest = whole = next(g for g in thanks.groups() if g is not None)
    elif begins := _PRAISE.search(text):
        rest = text[begins.end() :].strip()
        whole = rest if text.isascii() else text  # Mandarin praise is cut less cleanly
    else:
        return None
    bad = (_HARM if thanks else _MISHAP).search(whole)
    foul = _FOUL_LATIN.search(whole) or (not thanks and _FOUL_HAN.search(whole))
    known = bad or (not thanks and _AGAIN.search(whole))
    blame = "disgust" if foul else "" if not known else "sadness" if _LEFT.search(whole) else "anger"
    return Praise(rest, blame, bool(foul or bad), thanks is not None)
