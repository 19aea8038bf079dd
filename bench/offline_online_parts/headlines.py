"""Upworthy's headlines as numbers: one row a headline of a randomised test, in order of time."""

import hashlib
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
KEPT = Path.home() / ".cache" / "loveloop" / "offline_online"


class Headlines(NamedTuple):
    """Headlines of tests with at least two; arms of one headline are added up, so that pictures average out.

    Attributes:
        texts: One a row.
        tests: The test of each row, 0, 1, ... in order of time, [rows].
        shown: Impressions, [rows].
        clicks: [rows].
    """

    texts: list[str]
    tests: Ints
    shown: Floats
    clicks: Floats

    @property
    def rates(self) -> Floats:
        """Clicks an impression, [rows]."""
        return self.clicks / self.shown


def read(file: Path, *, least_tests: int | None = None) -> Headlines:
    """Read the archive's arms.

    Args:
        file: `arms_before_201447.parquet`.
        least_tests: Take so many tests, evenly over time; None takes all.
    """
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    keys = ["test_week", "clickability_test_id", "headline"]
    arms = pq.read_table(file, columns=[*keys, "impressions", "clicks"])
    arms = arms.filter(pc.greater(arms["impressions"], 0))
    rows = arms.group_by(keys).aggregate([("impressions", "sum"), ("clicks", "sum")])
    rows = rows.sort_by([(key, "ascending") for key in keys])
    names = rows["clickability_test_id"].to_numpy(zero_copy_only=False)
    _, first, owner, size = np.unique(names, return_index=True, return_inverse=True, return_counts=True)
    kept = size[owner] > 1
    order = np.unique(first[owner[kept]], return_inverse=True)[1]  # tests in the order of their first row, of time
    if least_tests is not None:
        part = np.isin(order, np.linspace(0, order.max(), least_tests).astype(int))
        kept[np.flatnonzero(kept)[~part]] = False
        order = np.unique(order[part], return_inverse=True)[1]
    shown, clicks = (rows[f"{name}_sum"].to_numpy()[kept].astype(np.float64) for name in ("impressions", "clicks"))
    return Headlines(rows["headline"].to_numpy(zero_copy_only=False)[kept].tolist(), order, shown, clicks)


def surface(texts: list[str]) -> Floats:
    """What a headline looks like, [rows, 14]: length, numbers, questions, quotes, capitals, pronouns."""
    return np.array([_surface(each) for each in texts], dtype=np.float64)


def _surface(text: str) -> list[float]:
    words = re.findall(r"[\w']+", text)
    lower = [each.lower() for each in words]
    shares = [
        sum(each in group for each in lower) / max(len(words), 1)
        for group in (
            {"you", "your", "you're", "we", "our", "us"},
            {"he", "she", "his", "her", "him", "they", "their"},
            {"this", "these", "here's", "that", "what", "why", "how", "who"},
            {"i", "my", "me"},
        )
    ]
    marks = [float(mark in text) for mark in ("?", "!", "...", '"', ":", "*", "'")]
    sentences = float(len(re.findall(r"[.!?]+(?:\s|$)", text)))
    return [np.log1p(len(text)), sentences, float(any(each.isdigit() for each in text)), *marks, *shares]


def words(texts: list[str], past: npt.NDArray[np.bool_], parts: int = 100) -> Floats:
    """TF-IDF of words and pairs of words, as their strongest singular directions in the past, [rows, parts]."""
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer

    learnt = [text for text, earlier in zip(texts, past, strict=True) if earlier]
    counts = TfidfVectorizer(ngram_range=(1, 2), min_df=3, sublinear_tf=True).fit(learnt)
    reduced = TruncatedSVD(parts, random_state=0).fit(counts.transform(learnt))
    return np.asarray(reduced.transform(counts.transform(texts)), dtype=np.float64)


def vectors(texts: list[str]) -> Floats:
    """Mean-pooled vectors of the frozen MiniLM encoder, of length 1, [rows, 384]; kept on disk by their texts."""
    file = KEPT / f"{hashlib.sha256(chr(0).join(texts).encode()).hexdigest()[:16]}.npy"
    if file.exists():
        return np.asarray(np.load(file), dtype=np.float64)
    found = _encoded(texts)
    KEPT.mkdir(parents=True, exist_ok=True)
    np.save(file, found)
    return found


def _encoded(texts: list[str]) -> Floats:
    import torch
    from tqdm import tqdm
    from transformers import AutoModel, AutoTokenizer

    from training import pretrained
    from training.reward.bases import minilm

    place = minilm()
    tokenizer, model = pretrained.load(AutoTokenizer, place), pretrained.load(AutoModel, place).eval()
    order = np.argsort([len(each) for each in texts], kind="stable")
    found = np.zeros((len(texts), model.config.hidden_size))
    for start in tqdm(range(0, len(order), 64), "headlines", disable=None):
        rows = order[start : start + 64]
        told = tokenizer(
            [texts[row] for row in rows], padding=True, truncation=True, max_length=64, return_tensors="pt"
        )
        with torch.inference_mode():
            states = model(**told).last_hidden_state
        mask = told.attention_mask[:, :, None]
        pooled = torch.nn.functional.normalize((states * mask).sum(1) / mask.sum(1), dim=1)
        found[rows] = pooled.double().numpy()
    return found
