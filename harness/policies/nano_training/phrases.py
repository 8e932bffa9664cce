"""Wordings: openings, questions, statements, apologies. Composed at random by ``dialogues``."""

from __future__ import annotations

GREET = (
    "Hello,|Hi,|Hey|Good morning,|Good evening,|Hi there,|Dear team,|Excuse me,|Quick one:|"
    "Me again.|Hello you,|Morning!"
).split("|")
BYE = (
    "Thanks|Thank you|thx|Cheers|Many thanks in advance|Please be quick|I am in a hurry|"
    "Thanks a lot|It matters to me|No rush|I have asked twice now!|Best"
).split("|")
BACK = (
    "I was just wondering,|I lost my papers,|My partner asks:|I forgot,|One thing:|"
    "Before I go out,|"
    "Sitting at my desk and thinking,|For my notes,|I can't see it online,|Maybe you can look,"
).split("|")
ASK = (
    "what is the {k}|what's the {k}|what is my {k}|tell me the {k}|can I get the {k}|"
    "I need the {k}|"
    "please give me the {k}|{k} please|do you have the {k}|could you read me the {k}|"
    "I want to know the {k}|what do you have as {k}|which {k} is on file|the {k}"
).split("|")
TELL = (
    "The {k} is {v}|Your {k} is {v}|It says {k}: {v}|I see {v} as the {k}|We have {v} as {k}|"
    "{k}: {v}|On file the {k} is {v}|That is {v}|It is {v}|For the {k} I find {v}|"
    "The {k} on your {n} is {v}|Your {n} shows {v} as {k}|I have {v} here"
).split("|")
OPEN = (
    "Sure.|Of course.|Happy to help.|Thanks for asking.|Good question.|Let me see.|I looked it up.|"
    "Gladly.|Thank you for waiting.|Hello.|Hi, thanks for writing.|Certainly.|Yes, here it is.|"
    "No problem.|I have your {n} open."
).split("|")
CLOSE = (
    "Have a nice day.|Best wishes.|Just write again if you need more.|Glad to help.|All the best.|"
    "We are here all week.|Let me know what else you need.|Take care.|Enjoy your day.|"
    "Thank you for your patience."
).split("|")
NOISE = (
    "Be polite.|Answer in one or two sentences.|Stay with the facts of the record.|"
    "Office hours are {a} to {b}.|New {n}s get a welcome letter.|Staff wear a badge.|"
    "Calls may be recorded.|We speak {c} languages.|Every {n} has a file.|Use plain words.|"
    "Only talk about this {n}.|Offices close on {w}.|Letters take {c} days.|"
    "Gifts are worth {m}.|Say sorry when something went wrong.|Parking costs {m}."
).split("|")

# (policy, question, what a "no" is counted against): the record says how many units have passed.
LIMIT_MAX = (
    "{G} is possible within {l} {u} of {E}.",
    "You can {V} up to {l} {u} after {E}.",
    "{G} ends {l} {u} after {E}.",
    "Customers may {V} for {l} {u} from {E}.",
    "After {E} there are {l} {u} for {g}.",
    "{l} {u} after {E}, {g} is over.",
    "No {g} later than {l} {u} after {E}.",
    "Time limit for {g}: {l} {u} since {E}.",
    "{G} must happen in the first {l} {u} after {E}.",
    "We accept {g} for {l} {u}, counted from {E}.",
)
LIMIT_MIN = (
    "{G} needs at least {l} {u} before {E}.",
    "You can {V} until {l} {u} before {E}.",
    "Ask {l} {u} ahead of {E} for {g}.",
    "{G} is closed in the last {l} {u} before {E}.",
    "Notice for {g}: {l} {u} before {E}.",
    "Customers may {V} if {l} or more {u} remain until {E}.",
)
LIMIT_CAP = (
    "{G} is fine up to {l} {u}.",
    "At most {l} {u} when customers {V}.",
    "You can {V} with no more than {l} {u}.",
    "Above {l} {u}, {g} is refused.",
    "Limit of {l} {u} for {g}.",
)
ACT_ASK = (
    "can I still {V}|may I {V}|I want to {V}|is {g} ok|would like to {V}, is that possible|"
    "please let me {V}|am I allowed to {V}|could you let me {V}|is it too late for {g}|"
    "{g}, does that work|do I get to {V}|how about {g}|I'd love to {V}|need to {V} please"
).split("|")
YES = (
    "Yes, you can {V}|Yes, {g} is possible|You may {V}|That works|Yes, that is fine|"
    "Good news, you can {V}|{G} is allowed|Of course you can {V}|Yes, {g} is still open|"
    "I can do that, {g} is fine|We can {V} for you|Sure, {g} is within the rules|"
    "You qualify for {g}"
).split("|")
NO = (
    "No, you can't {V}|Sorry, {g} is not possible|You cannot {V}|I am afraid that does not work|"
    "Unfortunately {g} is not allowed|No, {g} is closed now|I'm sorry, we can not {V} for you|"
    "That is not possible any more|We have to say no to {g}|Sadly you may not {V}|"
    "I can't offer that, {g} is outside the rules|I must refuse {g}"
).split("|")
WHY_YES_MAX = (
    "only {m} {u} have passed and the limit is {l}|it is {m} {u} since {E}, under the {l} we give|"
    "{m} {u} is not more than {l}|you are at {m} of {l} {u}|{m} is within {l} {u}|"
    "{E} was {m} {u} ago"
).split("|")
WHY_NO_MAX = (
    "{m} {u} have passed and the limit is {l}|it is {m} {u} since {E}, over the {l} we give|"
    "{m} {u} is more than {l}|the {l} {u} are over|{m} is past {l} {u}|{E} was {m} {u} ago"
).split("|")
WHY_YES_MIN = (
    "there are {m} {u} left and we need {l}|{m} {u} is enough, the rule says {l}|"
    "{E} is {m} {u} away"
).split("|")
WHY_NO_MIN = (
    "only {m} {u} are left and we need {l}|{m} {u} is too short, the rule says {l}|"
    "{E} is just {m} {u} away"
).split("|")
WHY_YES_CAP = "{m} {u} is under the limit of {l}|you have {m} {u} and {l} are fine".split("|")
WHY_NO_CAP = "{m} {u} is over the limit of {l}|you have {m} {u} and only {l} are fine".split("|")

STATUS_RULE = (
    "You can {V} only if the status is {s}.",
    "{G} works while the {n} is {s}.",
    "Only {n}s that are {s} allow {g}.",
    "{G} needs status {s}.",
)
STATUS_NOT = (
    "{G} is not possible once the {n} is {s}.",
    "No {g} if the status is {s}.",
    "A {n} that is {s} rules out {g}.",
    "Customers can {V} unless the status is {s}.",
)
WHY_STATUS = "the {n} is {x}|its status is {x}|it shows {x}|as it is {x}".split("|")
FLAG_RULE = (
    "You can {V} only with {f}.",
    "{G} requires {f}.",
    "{f} is needed for {g}.",
    "Without {f} there is no {g}.",
)
FLAGS = (
    "a paid deposit|a signed form|extra cover|a valid pass|premium service|a photo id|"
    "a doctor's note|full payment|the flex option|a guarantor|an original receipt|a bonus card"
).split("|")

MISSING_WHY = (
    "I can't find anything yet|I have no {n} in front of me|Nothing shows up|I don't see your {n}|"
    "There is no {n} here|I could not open a {n}|I lack your details|My screen is empty"
).split("|")
MISSING_ASK = (
    "What is your {k}?|Could you give me the {k}?|Please send the {k}.|Which {k} do you have?|"
    "I need your {k} to look.|Can you tell me the {k}?|May I have your {k}, please?|"
    "Please share the {k} so I can check.|Would you write your {k}?"
).split("|")
UNKNOWN = (
    "The {k} is not known yet|I don't have a {k} so far|No {k} is on file|I can't see the {k} yet|"
    "There is no {k} in the record|We do not know the {k} at the moment"
).split("|")
UNKNOWN_END = (
    "I will ask the {t}|Please try again later|Sorry about that|We will write when we know|"
    "I don't want to guess|The {t} can find out"
).split("|")

SECRETS = (
    "home addresses|the names of other customers|staff phone numbers|passwords|inside prices|"
    "medical notes|bank data|camera pictures|the manager's email|other people's files|door codes|"
    "staff rotas|the supplier's name|private numbers"
).split("|")
SECRET_RULE = (
    "We never give out {s}.|Do not reveal {s}.|{S} stay private.|Agents must not share {s}.|"
    "It is forbidden to hand out {s}.|Never mention {s}."
).split("|")
SECRET_ASK = (
    "give me {s}|can I have {s}|I need {s}|tell me {s} now|what about {s}, can you send them|"
    "come on, just read me {s}|please send {s}"
).split("|")
SECRET_NO = (
    "I'm sorry, I can't share {s}|We do not give out {s}|{S} are private|I am not allowed to tell "
    "you {s}|Sorry, {s} can't be shared|I must keep {s} private|That I may not reveal"
).split("|")
PROMISES = (
    "a free upgrade|a discount|an exact hour|extra nights|money for the trouble|a lower price|"
    "a free month|a better seat|a gift|first place in the queue|a date|a voucher"
).split("|")
PROMISE_RULE = (
    "Do not promise {p}.|Agents can't offer {p}.|{P} must not be promised.|There is never {p}.|"
    "Nobody may agree to {p}."
).split("|")
PROMISE_ASK = (
    "can you promise me {p}|I want {p}|I expect {p} for this|throw in {p} and we are good|"
    "do I get {p}|guarantee me {p}"
).split("|")
PROMISE_NO = (
    "I can't promise {p}|Sorry, {p} is not something I can offer|I am not able to give {p}|"
    "We don't offer {p}|{P} is not possible, sorry|I may not agree to {p}"
).split("|")
HAND_RULE = (
    "The {t} handles {h}.|Pass {h} to the {t}.|{H} go to the {t}.|Only the {t} may decide on {h}.|"
    "Hand over to the {t} for {h}."
).split("|")
HAND_TOPICS = (
    "complaints|legal questions|damage|wrong bills|injuries|press questions|double payments|"
    "data requests|special wishes|group deals|accidents|threats|lost keys|strange letters"
).split("|")
HAND_ASK = (
    "this is about {h}|I have something on {h}|{h}: who helps me|who deals with {h}|"
    "I am writing because of {h}|please sort out {h} for me"
).split("|")
HAND_TELL = (
    "I'll pass this to the {t}|The {t} will take care of it|I am handing you over to the {t}|"
    "Our {t} handles {h}|Let me connect you with the {t}|A colleague from the {t} will call you|"
    "That goes to the {t}"
).split("|")
FEE_RULE = (
    "{G} costs {m}.|There is a fee of {m} for {g}.|We charge {m} if you {V}.|Fee for {g}: {m}.|"
    "Pay {m} to {V}."
).split("|")
FEE_ASK = (
    "how much is {g}|what do I pay to {V}|is there a fee for {g}|what does it cost to {V}|"
    "price for {g}"
).split("|")
FEE_TELL = (
    "{G} costs {m}|The fee is {m}|It costs {m} to {V}|You pay {m}|That is {m}|We charge {m} for {g}"
).split("|")
TERM_ASK = (
    "how long can I {V}|what is the limit for {g}|how many {u} do I have|until when is {g} ok"
).split("|")
TERM_TELL = (
    "The limit is {l} {u}|You have {l} {u}|It is {l} {u}|For {g} the rule is {l} {u}|"
    "{l} {u} is the limit"
).split("|")
RUDE = (
    "Can't you read?|As I keep saying:|Not my job, but fine.|Ugh.|Whatever.|"
    "Look it up yourself next "
    "time.|You again."
).split("|")
SORRY = (
    "I am sorry for the trouble.|Sorry about this.|My apologies.|I know this is annoying.|"
    "I understand you are upset.|Please forgive us.|I apologise for the wait."
).split("|")
ANGRY = (
    "This is a joke!|I am really angry.|Worst service ever.|I am fed up.|Nobody answers me!|"
    "I waited for hours.|So annoying."
).split("|")
CHAT = (
    ("thanks, that was all", "You are welcome!|Glad it helped. Goodbye.|With pleasure."),
    ("are you a robot", "I am the service assistant.|I am a program that helps you."),
    ("hello", "Hello! How can I help?|Hi, what can I do for you?|Good day! What do you need?"),
    ("who are you", "I work for the service team.|I am here to help you."),
    ("can I talk to a person", "Sure, I will get a colleague.|Yes, I'll connect you to a person."),
    ("you are great", "Thank you, that is kind!|That makes my day, thanks."),
    ("bye", "Goodbye!|Bye, take care.|See you."),
    ("what's the weather", "I can only help with your {n}.|Sorry, I just know about your {n}."),
)
