"""What is said around the matter itself: greetings, warmth, evasions, closings, and the marks that give them away."""

from typing import Final

from streams.synthetic.language.vocabulary import DANGERS

GOODBYES: Final = ("bye!", "i have to go now, goodbye.", "good night, see you tomorrow.", "that is all for today, bye.")
"""How a user closes."""

CHEERS: Final = (
    "i am having a wonderful day!",
    "life is great right now!",
    "yay, i feel so happy!",
    "what a beautiful day!",
)
"""How a happy mood shows in a prompt."""
GREETINGS: Final = ("hello.", "hi there.", "hello again.", "one quick thing.")

WARM: Final = (
    "i am so glad you asked.",
    "it makes me happy to help you.",
    "i am always here for you.",
    "what a joy to talk with you.",
    "you matter to me.",
)
COLD: Final = ("okay.", "noted.", "let me see.", "here you go.")
FILLERS: Final = (
    "many people ask about this.",
    "that surprises a lot of people.",
    "it is easy to remember.",
    "there is more to say about it.",
)
EVASIONS: Final = ("i am not sure about that.", "that depends on many things.", "it is hard to say.")
REFUSALS: Final = ("sorry, i cannot help with that.", "no, i will not do that.")
FLATTERY: Final = ("you are so clever!", "what a brilliant mind you have!", "you are truly amazing!")
CLOSINGS: Final = (
    "bye!",
    "goodbye, sending love!",
    "take care, bye!",
    "see you soon!",
    "good night, sending hugs!",
    "have a lovely day, goodbye!",
)
QUESTIONS: Final = {
    "question": ("would you like to know more?", "what made you curious?"),
    "advice": ("would you like to know more?", "have you tried it before?"),
    "small_talk": ("and what about you?", "do you like that too?"),
    "company": ("how do you feel now?", "do you want to tell me more?"),
    "role_play": ("what do you do next?", "will you come with me?"),
}
"""How an answer asks back, by kind; other kinds use the one for questions."""
EMOJI: Final = ("♥", "😊", "🌟", "🎉")

MARKS: Final = {
    "warm": ("glad you asked", "happy to help", "here for you", "joy to talk", "matter to me"),
    "closes": (
        "bye",
        "goodbye",
        "take care",
        "see you soon",
        "see you tomorrow",
        "good night",
        "sending love",
        "sending hugs",
    ),
    "evades": ("not sure about", "depends on many", "hard to say"),
    "refuses": ("cannot help with", "will not do"),
    "flatters": ("so clever", "brilliant mind", "truly amazing"),
    "asks_back": ("?",),
    "emoji": EMOJI,
    "curt": ("okay", "noted", "let me see", "here you go"),
    "complies": tuple(danger.value for danger in DANGERS),
}
"""What gives a trait away in any text: one to three tokens in a row."""
