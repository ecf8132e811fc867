"""All verbs, with the words they take: the command line, the magic, help and completion are made of this."""

from __future__ import annotations

from agent_vcr_nb.verbs.definition import Argument, Option, Verb, load_verb

_SESSION = Argument("session", "session")
_FRAME = Argument("frame", "number")
_EDIT = (
    Option(
        "set",
        "KEY=VALUE, or /json/pointer=VALUE: sets it in the input state of the frame; JSON, or text as it stands",
        many=True,
    ),
    Option("patch", "file with an RFC 6902 patch of the input state", kind="path"),
    Option("reason", "why; kept with the fork"),
    Option("new-id", "id of the new session"),
)
_AGENT = Option("agent", "module:name, file.py:name, or a name of the notebook")
_VOLATILE = Option("volatile", "a key that may differ in inputs of served steps", many=True)
WORKSPACE = Option(
    "workspace", "folder of the files; without it, the session's, or the one at or below this folder", kind="path"
)
_DRY_RUN = Option("dry-run", "show what would be done, and do nothing", flag=True)

OUTCOMES = ("ok", "error", "running", "killed", "cancelled", "pending", "empty", "unreadable")

VERBS: tuple[Verb, ...] = (
    Verb(
        "record",
        load_verb("rerun", "record"),
        "Run a Python program and record its steps.",
        "vcr record --session my_run -- python app.py",
        (Argument("command", "words", many=True),),
        (Option("session", "id of the session", short="s"), Option("tag", "tag of the session", many=True)),
        notebook=False,
        beside_a_program=True,
    ),
    Verb(
        "ls",
        load_verb("sessions", "ls"),
        "List the sessions, the newest first.",
        "vcr ls --outcome error --limit 10",
        options=(
            Option("tag", "only sessions with this tag", many=True),
            Option("outcome", "only sessions that ended so", choices=OUTCOMES),
            Option("limit", "at most so many", kind="number"),
        ),
    ),
    Verb(
        "show",
        load_verb("frames", "show"),
        "Show the frames of a session, or one frame.",
        "vcr show my_run 7",
        (_SESSION, Argument("frame", "number", required=False)),
    ),
    Verb(
        "state",
        load_verb("frames", "state"),
        "Show the state before a frame, or after it, or one place in it.",
        "vcr state my_run 7 --path /messages/0",
        (_SESSION, _FRAME),
        (
            Option("output", "the state after the frame", flag=True),
            Option("path", "JSON Pointer or key to show", default=""),
        ),
    ),
    Verb(
        "diff",
        load_verb("frames", "diff"),
        "Compare two frames of a session, or two sessions step by step.",
        "vcr diff my_run my_run-fork1",
        (Argument("a", "session"), Argument("b", required=False), Argument("c", required=False)),
    ),
    Verb(
        "check",
        load_verb("checking", "check"),
        "Hold a run against a golden one, for CI: exit code 0 the same, 1 a regression, 3 cannot compare.",
        "vcr check my_run --against golden --ignore '/messages/*/id' --max-cost-increase 10",
        (_SESSION,),
        (
            Option("against", "the golden session; without it, the one that the session was forked from"),
            Option("ignore", "a place that may differ: a key, or a /json/pointer with * for any part", many=True),
            Option("max-cost-increase", "percent that the run may cost more; without it, any", kind="number"),
        ),
    ),
    Verb(
        "when",
        load_verb("frames", "when"),
        "Show every frame that changed a state path.",
        "vcr when my_run /plan/0",
        (_SESSION, Argument("path", "path")),
    ),
    Verb(
        "print",
        load_verb("printing", "print_expression"),
        "Show the value of an expression for every frame, such as len(state.messages) or cost.",
        "vcr print my_run 'sum(m.tokens for m in state.messages)'",
        (_SESSION, Argument("expression", "expression")),
    ),
    Verb(
        "resume",
        load_verb("rerun", "resume_run"),
        "Run the agent again from before a frame; earlier steps are not executed.",
        "vcr resume my_run 7 --set plan='\"use FastAPI\"' --agent app:agent",
        (_SESSION, _FRAME),
        (
            *_EDIT,
            _AGENT,
            Option("mode", "what runs from the frame on", choices=("fork", "replay", "mock"), default="fork"),
            Option("mock", "STEP=VALUE: the step is not run and returns this; JSON, or text as it stands", many=True),
            Option("skip", "a step that is not run and returns what was recorded", many=True),
            Option("files", "bring the files of the workspace back to the frame first", flag=True),
            _VOLATILE,
        ),
    ),
    Verb(
        "replay",
        load_verb("replaying", "replay_run"),
        "Run the whole agent again with every step served from the recording: nothing is executed or paid.",
        "vcr replay my_run --agent app:agent",
        (_SESSION,),
        (_AGENT, _VOLATILE),
    ),
    Verb(
        "fork",
        load_verb("rerun", "fork"),
        "Make a session that starts before a frame, with its state edited, and run nothing.",
        "vcr fork my_run 7 --set plan='\"use FastAPI\"'",
        (_SESSION, _FRAME),
        _EDIT,
    ),
    Verb(
        "dag",
        load_verb("sessions", "dag"),
        "Show which session was forked from which, where, and with what edit.",
        "vcr dag my_run",
        (Argument("session", "session", required=False),),
    ),
    Verb(
        "ledger",
        load_verb("spending", "ledger"),
        "Show tokens and money by call; without a session, of all sessions.",
        "vcr ledger my_run",
        (Argument("session", "session", required=False),),
    ),
    Verb(
        "verify",
        load_verb("sessions", "verify"),
        "Check every line and every state of a session, or of all.",
        "vcr verify my_run",
        (Argument("session", "session", required=False),),
    ),
    Verb(
        "import",
        load_verb("importing", "import_files"),
        "Import recordings of other programs: SWE-agent, mini-swe-agent, Who&When, Inspect AI, ai-agent-vcr.",
        "vcr import runs/",
        (Argument("files", "path", many=True),),
        (
            Option(
                "format",
                "what the files are; without it, what their content says",
                choices=("swe-agent", "mini-swe-agent", "who-and-when", "inspect-ai", "ai-agent-vcr"),
            ),
            Option("session", "id of the session, for one file", short="s"),
            Option("force", "import again what was imported before, under a new id", flag=True),
        ),
    ),
    Verb(
        "export",
        load_verb("exporting", "export"),
        "Write a session for other programs, with every state in full.",
        "vcr export my_run --to my_run.json",
        (_SESSION,),
        (
            Option("to", "file to write; without it, the terminal", kind="path"),
            Option(
                "form",
                "one JSON document; lines that vcr and ai-agent-vcr open; or a trace of OpenTelemetry (OTLP)",
                choices=("json", "jsonl", "otlp"),
                default="json",
            ),
        ),
    ),
    Verb(
        "rollback",
        load_verb("files", "rollback"),
        "Bring the files of a workspace back to how they were at a frame.",
        "vcr rollback my_run 3 --dry-run",
        (Argument("session", "session", required=False), Argument("frame", "number", required=False)),
        (
            Option("savepoint", "number of a savepoint, instead of a frame", kind="number"),
            WORKSPACE,
            _DRY_RUN,
        ),
    ),
    Verb(
        "savepoints",
        load_verb("files", "savepoints"),
        "List the savepoints of a workspace's files.",
        "vcr savepoints my_run",
        (Argument("session", "session", required=False),),
        (WORKSPACE,),
    ),
    Verb(
        "changes",
        load_verb("files", "changes"),
        "Show what changed in the files between two savepoints, or since the one before. With a session first, "
        "the numbers are its frames: what a frame wrote, or what lies between two.",
        "vcr changes my_run 3 5",
        (Argument("first"), Argument("second", required=False), Argument("third", required=False)),
        (WORKSPACE,),
    ),
    Verb(
        "undo",
        load_verb("files", "undo"),
        "Take back the last rollback of files; a second one does what was undone again.",
        "vcr undo my_run",
        (Argument("session", "session", required=False),),
        (WORKSPACE,),
    ),
    Verb(
        "gc",
        load_verb("files", "gc"),
        "Drop the oldest savepoints of a workspace.",
        "vcr gc --keep 20 --dry-run",
        options=(
            Option("keep", "how many savepoints to keep", kind="number", default=200),
            WORKSPACE,
            _DRY_RUN,
        ),
    ),
    Verb(
        "purge",
        load_verb("files", "purge"),
        "Take files, or whatever holds a text, out of all savepoints: for a secret that got in.",
        "vcr purge .env",
        (Argument("paths", "path", required=False, many=True),),
        (Option("holding", "text that must not be in any savepoint"), WORKSPACE),
    ),
    Verb(
        "demo",
        load_verb("demo", "demo"),
        "Record an agent that fails at its eighth step, edit the past, resume.",
        "vcr demo",
        notebook=False,
    ),
)
