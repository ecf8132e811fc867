"""Other languages: sizes counted by hand, duplicates through renaming."""

import pytest

from sentinel import Config, Sentinel, languages
from sentinel.hooks import claude_code

# In each: complexity 1 + if + else if + loop + && = 5; nesting: the loop, in it the if = 2; three parameters.
SAMPLES = {
    "a.js": """// JavaScript
class Store {
  total(items, limit, rate) {
    let sum = 0;
    for (const item of items) {
      if (item.price > limit && item.open) {
        sum += item.price * 2;
      } else if (item.free) {
        sum += 1;
      }
    }
    return sum * rate;
  }
}
""",
    "a.tsx": """const total = (items: Item[], limit: number, rate: number): number => {
    let sum = 0;
    for (const item of items) {
      if (item.price > limit && item.open) {
        sum += item.price * 2;
      } else if (item.free) {
        sum += 1;
      }
    }
    return sum * rate;
};
""",
    "a.go": """package a

func (s *Store) total(items []Item, limit, rate int) int {
	sum := 0
	for _, item := range items {
		if item.Price > limit && item.Open {
			sum += item.Price * 2
		} else if item.Free {
			sum += 1
		}
	}
	return sum * rate
}
""",
    "a.rs": """impl Store {
    fn total(&self, items: &[Item], limit: u32, rate: u32) -> u32 {
        let mut sum = 0;
        for item in items {
            if item.price > limit && item.open {
                sum += item.price * 2;
            } else if item.free {
                sum += 1;
            }
        }
        return sum * rate;
    }
}
""",
    "A.java": """class Store {
    int total(List<Item> items, int limit, int rate) {
        int sum = 0;
        for (Item item : items) {
            if (item.price > limit && item.open) {
                sum += item.price * 2;
            } else if (item.free) {
                sum += 1;
            }
        }
        return sum * rate;
    }
}
""",
}
SYMBOLS = {
    "a.js": "Store.total",
    "a.tsx": "total",
    "a.go": "Store.total",
    "a.rs": "Store.total",
    "A.java": "Store.total",
}
BROKEN = {
    "a.js": "function f( {",
    "a.tsx": "const = 1",
    "a.go": "func {",
    "a.rs": "fn f( {",
    "A.java": "class {",
}


def check(tmp_path, name, code, **limits):
    return Sentinel(root=tmp_path, config=Config(**limits)).check_file(name, code)


@pytest.mark.parametrize("name", SAMPLES)
def test_a_function_is_measured_as_by_hand(tmp_path, name):
    limits = {"max_complexity": 0, "max_parameters": 0, "max_nesting": 0, "max_function_lines": 0}
    found = check(tmp_path, name, SAMPLES[name], **limits).findings
    assert {item.symbol for item in found} == {SYMBOLS[name]}
    values = {item.rule: item.value for item in found}
    assert values.pop("function-too-long") == 11
    assert values == {"too-complex": 5, "too-many-parameters": 3, "nested-too-deep": 2}
    assert check(tmp_path, name, SAMPLES[name]).clean


@pytest.mark.parametrize("name", SAMPLES)
def test_a_renamed_copy_is_a_duplicate_and_other_work_is_not(tmp_path, name):
    original = SAMPLES[name]
    (tmp_path / name).write_text(original)
    copy = original
    for old, new in (
        ("items", "rows"),
        ("item", "row"),
        ("sum", "acc"),
        ("limit", "cap"),
        ("rate", "factor"),
    ):
        copy = copy.replace(old, new)
    copy = copy.replace("total", "compute").replace("Store", "Shop")
    found = check(tmp_path, f"b{name}", copy).findings
    assert [(item.rule, item.related.path) for item in found] == [("duplicate-function", name)]
    other = copy.replace("price", "weight").replace("open", "closed").replace("free", "lost").replace("* 2", "- 1")
    assert [item.rule for item in check(tmp_path, f"b{name}", other).findings if item.severity == "critical"] in (
        [],
        ["near-duplicate"],
    )


@pytest.mark.parametrize("name", BROKEN)
def test_a_file_that_does_not_parse_says_so(tmp_path, name):
    assert [item.rule for item in check(tmp_path, name, BROKEN[name]).findings] == ["syntax-error"]


def test_a_missing_grammar_is_named_and_its_files_are_left_out_of_a_scan(tmp_path, monkeypatch):
    monkeypatch.setattr(languages, "parser", lambda language: None)
    (finding,) = check(tmp_path, "a.go", SAMPLES["a.go"]).findings
    assert finding.message == "go is not read: pip install 'agent-vcr-nb[languages]'"
    (tmp_path / "a.go").write_text(SAMPLES["a.go"])
    assert Sentinel(root=tmp_path).scan() == []


def test_a_minified_file_is_not_read(tmp_path):
    (tmp_path / "a.min.js").write_text(SAMPLES["a.js"])
    assert Sentinel(root=tmp_path, config=Config(max_complexity=0)).scan() == []


def test_an_agent_is_told_nothing_about_a_language_that_cannot_be_read(tmp_path, monkeypatch):
    monkeypatch.setattr(languages, "parser", lambda language: None)
    (tmp_path / "a.go").write_text(SAMPLES["a.go"])
    event = {"tool_name": "Write", "cwd": str(tmp_path), "tool_input": {"file_path": "a.go"}}
    assert claude_code.handle(Sentinel(root=tmp_path), event) == (0, "")


def complexities(tmp_path, name, code):
    found = check(tmp_path, name, code, max_complexity=0, max_function_lines=99).findings
    return {item.symbol: (item.line, item.value) for item in found if item.rule == "too-complex"}


# Source of the figures: ESLint 10, rule `complexity`, which counts default values, `?.` and `??=` too.
BRANCHES = """function outer(a = 1, { b = 2 } = {}) {
  const inner = (c) => (c ? 1 : 2);
  a ??= b?.length;
  return inner(a);
}
"""


def test_default_values_and_optional_chains_count_and_a_named_function_counts_for_itself(tmp_path):
    expected = {"outer": (1, 6), "inner": (2, 2)}
    assert complexities(tmp_path, "a.js", BRANCHES) == expected
    assert complexities(tmp_path, "a.ts", BRANCHES.replace("a = 1", "a: number = 1")) == expected


def test_a_callback_counts_for_the_function_around_it(tmp_path):
    code = "function f(rows) {\n  rows.forEach((row) => {\n    if (row) { g(row) }\n  });\n}\n"
    assert complexities(tmp_path, "a.js", code) == {"f": (1, 2)}


def test_an_annotated_method_is_named_by_the_line_of_its_name(tmp_path):
    code = """class A {
    @Override
    public int get(int a) {
        return new B() {
            int make(int b) { return b > 0 ? 1 : 2; }
        }.make(a);
    }
}
"""
    assert complexities(tmp_path, "A.java", code) == {"A.get": (3, 1), "A.make": (5, 2)}


@pytest.mark.parametrize(
    ("comment", "rules"),
    [
        ("// sentinel: ignore[C901] a table of cases", []),
        ("/* sentinel: ignore[too-complex] a table of cases */", []),
        ("// sentinel: ignore[B006] another rule", ["too-complex"]),
        ("// sentinel: ignore[C901]", ["ignore-without-reason", "too-complex"]),
        ("/* sentinel: ignore[C901] */", ["ignore-without-reason", "too-complex"]),
    ],
)
@pytest.mark.parametrize("name", ["a.js", "a.tsx", "a.go", "A.java"])
def test_a_comment_silences_a_rule_in_other_languages(tmp_path, name, comment, rules):
    lines = SAMPLES[name].split("\n")
    at = next(number for number, line in enumerate(lines) if "total" in line)
    lines[at] += f"  {comment}"
    found = check(tmp_path, name, "\n".join(lines), max_complexity=4).findings
    assert sorted(item.rule for item in found) == rules
