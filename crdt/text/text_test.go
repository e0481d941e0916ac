package text_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"unicode"

	"coop/crdt/text"
)

// TestVectors holds the rules of names that do not ask what the name is of.
func TestVectors(t *testing.T) {
	var v struct {
		Names     []struct{ Name, Wrong string }
		Same      [][2]string
		Different [][2]string
	}
	b, err := os.ReadFile("../../testdata/vectors/names.json")
	if err == nil {
		err = json.Unmarshal(b, &v)
	}
	if err != nil || len(v.Names) == 0 || len(v.Same) == 0 || len(v.Different) == 0 {
		t.Fatalf("the vectors: %v", err)
	}
	for _, n := range v.Names {
		switch n.Wrong {
		case "comma", "treasury", "id", "bytes": // rules of package member
			continue
		}
		switch err := text.CheckName(n.Name); {
		case n.Wrong == "" && err != nil:
			t.Errorf("%+q is refused: %v", n.Name, err)
		case n.Wrong != "" && (err == nil || !strings.Contains(err.Error(), n.Wrong)):
			t.Errorf("%+q: %v, not a word of %s", n.Name, err, n.Wrong)
		}
	}
	for _, p := range v.Same {
		if !text.Same(p[0], p[1]) {
			t.Errorf("%q and %q are two", p[0], p[1])
		}
	}
	for _, p := range v.Different {
		if text.Same(p[0], p[1]) {
			t.Errorf("%q and %q are one", p[0], p[1])
		}
	}
}

// TestTables holds that the checks ask the tables, and ask them right.
func TestTables(t *testing.T) {
	if unicode.Version != text.UnicodeVersion {
		t.Skipf("this Go has Unicode %s", unicode.Version)
	}
	names := 0
	for r := rune(0); r < 0xe1000; r++ { // behind it all is private
		if r == 0x40000 {
			r = 0xe0000 // in between nothing is assigned
		}
		shows := inName(r) && r != ' '
		if in := text.CheckName("■"+string(r)+"■") == nil; in != (shows || r == ' ') {
			t.Fatalf("%U is a character of names: %v", r, in)
		} else if in {
			names++
		}
		for o := unicode.SimpleFold(r); o != r && shows; o = unicode.SimpleFold(o) {
			if text.CheckName(string(o)) != nil || r == 0x345 {
				continue // not in normal form, or no letter
			}
			letters := unicode.IsLetter(r) && unicode.IsLetter(o)
			if text.Same(string(r), string(o)) != letters {
				t.Fatalf("%U and %U are the same: %v", r, o, !letters)
			}
		}
		if format := unicode.Is(unicode.Cf, r) && r != 0x200c && r != 0x200d; format && text.CheckLines(string(r)) == nil {
			t.Fatalf("the format character %U may stand in a text", r)
		}
	}
	if names < 100_000 {
		t.Fatalf("only %d characters may be in names", names)
	}
}

// TestNormalFormIsFrozen: text of characters that Unicode had assigned keeps its
// normal form, so a later table of the library may do no more than know more.
func TestNormalFormIsFrozen(t *testing.T) {
	for typed, form := range map[string]string{"e\u0301": "\u00e9", "\u1100\u1161": "\uac00", "\u0915\u093c": "\u0915\u093c"} {
		if got := text.NFC(typed); got != form {
			t.Errorf("%+q is %+q, not %+q", typed, got, form)
		}
	}
}

func TestLine(t *testing.T) {
	for typed, line := range map[string]string{
		" two\r\n lines\t ":        "two lines",
		"pay \u202ereversed\u202c": "pay reversed",
		"a\u2066b\u2069\u200bc":    "abc",
		"bread\u200d":              "bread",
		"br\u200dead":              "bread",
		"\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645": "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", // Persian needs it
		"\U0001f469\u200d\U0001f33e":                       "\U0001f469\u200d\U0001f33e",
		"one\u2028two":                                     "one two",
		"\u200d\u200d\u00e9":                               "\u00e9",
		"\u00e9\u200d\u200ca":                              "\u00e9a",
		"\u00e9\u200d\u200c\u00e9":                         "\u00e9\u200c\u00e9",
	} {
		if got := text.Line(typed); got != line {
			t.Errorf("%+q becomes %+q, not %+q", typed, got, line)
		}
		if again := text.Line(line); again != line {
			t.Errorf("%+q becomes %+q", line, again)
		}
		if err := text.CheckLine(text.Line(typed)); err != nil {
			t.Errorf("%+q: %v", typed, err)
		}
	}
	if got := text.Show("  next: \x1b[2Jcoop\u202e x\ny"); got != "  next: [2Jcoop x y" {
		t.Errorf("shown as %+q", got)
	}
	for _, bad := range []string{"a\nb", " a", "a\u3000", "a\u202eb", "\x1b"} {
		if text.CheckLine(bad) == nil {
			t.Errorf("%+q is taken for one line", bad)
		}
	}
}
