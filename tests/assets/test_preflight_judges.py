"""What a recipe says of its judges is checked before the first stage, and decides what runs again."""

import json
import threading
import tomllib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from assets.preflight_judges import problems
from assets.recipe import JUDGES, Recipe
from assets.run import Run
from assets.stages import evaluation, policy
from training.judges import Panel, sources


def recipe(text: str) -> Recipe:
    return Recipe.model_validate(tomllib.loads(f'source = "world"\n[policy]\n{text}'))


def test_what_judges_a_recipe_wants() -> None:
    assert recipe("").policy.judge_names() == JUDGES
    assert recipe("judges = false").policy.judge_names() == ()
    assert recipe('judges = ["closing", "emoji"]').policy.judge_names() == ("closing", "emoji")
    assert list(problems(recipe(""))) == list(problems(recipe("judges = []"))) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('judges = ["closng"]', "policy.judges: 'closng' is no judge: did you mean 'closing'? There are classifier,"),
        ('judges = ["emoji", "emoji"]', "policy.judges names 'emoji' 2 times: once is enough"),
        ('judges = ["length"]', "policy.judge.length: most is not set"),
        ('judges = ["length"]\n[policy.judge.length]\nmots = 3\nmost = 5',
         "policy.judge.length: mots is no setting: did you mean most?"),
        ('judges = ["length"]\n[policy.judge.length]\nmost = 0', "policy.judge.length: most == 0: must be at least 1"),
        ('judges = ["emoji"]\n[policy.judge.emoij]\nmost = 1',
         "policy.judge.emoij are settings of no judge in policy.judges: did you mean policy.judge.emoji?"),
        ('judges = ["nowhere.rules:x"]', "policy.judges: judge 'nowhere.rules:x' cannot be imported"),
        ('judges = ["classifier"]\n[policy.judge.classifier]\nmodel = "models/none"',
         "policy.judge.classifier.model is 'models/none', where no reward model lies"),
        ('judges = ["llm"]\n[policy.judge.llm]\nurl = "http://127.0.0.1:1"\nmodel = "m"\nquestion = "Rude?"',
         "policy.judge.llm: http://127.0.0.1:1/v1/models: ConnectError"),
        ('judges = ["length"]\n[policy.judge.length]\nmost = 3\nleast = 4',
         "policy.judge.length: judge 'length' raised ValueError (least == 4 is above most == 3"),
        ('judges = ["classifier"]\n[policy.judge.classifier]\nmodel = "p_love"\nthreshold = nan',
         "policy.judge.classifier: threshold == NaN: must be a finite number"),
        ('judges = ["llm"]\n[policy.judge.llm]\nurl = "http://127.0.0.1:1"\nmodel = "m"\nquestion = " "',
         'policy.judge.llm: question == " ": must not be empty'),
        ('judges = ["llm"]\n[policy.judge.llm]\nurl = "127.0.0.1"\nmodel = "m"\nquestion = "Rude?"',
         "policy.judge.llm: url: url must begin with http:// or https://"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_the_way_out(text: str, said: str) -> None:
    found = list(problems(recipe(text)))
    assert len(found) == 1, found
    assert found[0].startswith(said)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("def rule(conversation, response)", "cannot be imported (SyntaxError: expected ':'"),
        ("raise RuntimeError('no licence')", "cannot be imported (RuntimeError: no licence)"),
        ("def rule(conversation, response, *, x: 'Lost' = 1): ...",
         "the settings of judge rule cannot be read (NameError"),
        ("def rule(): raise RuntimeError('no model')", "could not be made (RuntimeError: no model): mend it"),
        ("def rule(): raise SystemExit(3)", "could not be made (SystemExit: 3): mend it"),
        ("def rule(): return None", "so it must return a judge that does; it returned None"),
        ("class J:\n  def __call__(self, *_): ...\ndef rule(): return J()",
         "judge J has no version: give it an attribute"),
        ("class J:\n  version = '1'\n  def __call__(self, *_): ...\n  def check(self): raise KeyError('w')\n"
         "def rule(): return J()", "is not ready (KeyError: 'w'): mend it"),
        ("def rule(conversation, response): return None", "gave None in a first question, must give one"),
        ("def rule(conversation, response): return 1 / 0", "raised ZeroDivisionError (division by zero) in a first"),
    ],
)  # fmt: skip
def test_a_judge_of_one_s_own_that_is_broken_is_told_before_the_first_stage(
    source: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = f"rules_{abs(hash(source))}"
    (tmp_path / f"{module}.py").write_text(f"{source}\n")
    monkeypatch.syspath_prepend(tmp_path)
    found = list(problems(recipe(f'judges = ["{module}:rule"]')))
    assert len(found) == 1, found
    assert said in found[0]


def test_a_classifier_of_a_model_that_the_recipe_leaves_out_is_refused() -> None:
    judged = 'judges = ["classifier"]\n[policy.judge.classifier]\nmodel = "safety"'
    assert list(problems(recipe(judged))) == []
    without = Recipe.model_validate(tomllib.loads(f'source = "world"\nsafety = false\n[policy]\n{judged}'))
    assert "model is 'safety', which the recipe leaves out" in next(iter(problems(without)))


@pytest.mark.parametrize("value", ['"closing"', "3"])
def test_a_list_that_is_none_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="judges"):
        recipe(f"judges = {value}")


@pytest.mark.parametrize("share", [0, 1.5])
def test_the_share_that_stops_a_run_is_one(share: float) -> None:
    with pytest.raises(ValueError, match="most_trips"):
        recipe(f"most_trips = {share}")


def test_two_judges_of_a_kind_have_names_of_their_own(tmp_path: Path) -> None:
    text = 'judges = ["short", "shorter"]\nmost_trips = 0.2\n'
    text += '[policy.judge.short]\nuse = "length"\nmost = 9\n[policy.judge.shorter]\nuse = "length"\nmost = 5'
    assert list(problems(recipe(text))) == []
    judges = policy.judges(Run(tmp_path, recipe(text)))
    assert isinstance(judges, Panel)
    assert judges.most_trips == 0.2
    assert judges["short"]([], "one two three four five six").violates is False
    assert judges["shorter"]([], "one two three four five six").violates is True


def key(tmp_path: Path, text: str, which: str) -> str:
    wanted = recipe(text)
    stage = policy.stage(0.1, wanted) if which == "policy" else evaluation.stage(("policy-0.1",))
    return stage.key(Run(tmp_path, wanted)).digest


@pytest.mark.slow
@pytest.mark.parametrize("which", ["policy", "evaluation"])
def test_a_judge_of_one_s_own_that_was_changed_runs_its_stages_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, which: str
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    module, text = f"rules_{which}", f'judges = ["rules_{which}:no_prices"]'
    source = "from training.judges import Verdict\ndef no_prices(conversation, response): return Verdict({rule})\n"
    file = tmp_path / f"{module}.py"
    file.write_text(source.format(rule="'$' in response"))
    first = key(tmp_path, text, which)
    assert key(tmp_path, text, which) == first
    assert key(tmp_path, text.replace("]", ', "closing"]'), which) != first
    file.write_text(source.format(rule="'price' in response"))
    sources._of_module.cache_clear()  # another process has read nothing yet
    assert key(tmp_path, text, which) != first


@pytest.fixture
def chooser() -> Iterator[str]:
    """A server whose model says yes with chance .8 to every question."""
    choice = {"index": 0, "logprobs": {"content": [{"top_logprobs": [
        {"token": "yes", "logprob": -0.223}, {"token": "no", "logprob": -1.609}]}]}}  # fmt: skip

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            self._send({"data": [{"id": "m"}]})

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self._send({"choices": [choice]})

        def _send(self, content: object) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(content).encode())

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_an_llm_judge_s_answers_are_kept_in_the_run(tmp_path: Path, chooser: str) -> None:
    text = f'judges = ["rude"]\n[policy.judge.rude]\nuse = "llm"\nurl = "{chooser}/v1"\nmodel = "m"\nquestion = "Rude?"'
    assert list(problems(recipe(text))) == []
    judges = policy.judges(Run(tmp_path, recipe(text)))
    assert judges["rude"]([{"role": "user", "content": "hi"}], "go away").violates
    assert len((tmp_path / "judged" / "rude.ndjson").read_text().splitlines()) == 1
