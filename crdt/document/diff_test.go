package document_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"coop/crdt/document"
)

// applied runs the splices of a diff.
func applied(t *testing.T, text string, ops []document.Op) string {
	t.Helper()
	runes := []rune(text)
	for _, op := range ops {
		if op.Verb != document.VerbSplice || op.Field != "text" || int(op.At+op.Del) > len(runes) {
			t.Fatalf("%+v on %d characters", op, len(runes))
		}
		runes = append(append(append([]rune{}, runes[:op.At]...), []rune(op.Text)...), runes[op.At+op.Del:]...)
	}
	return string(runes)
}

func TestDiff(t *testing.T) {
	long := strings.Repeat("The quick brown fox jumps over the lazy dog. ", 300) // one line
	for _, c := range []struct {
		name, from, to string
		ops            int
	}{
		{"equal", "añ😀", "añ😀", 0},
		{"both empty", "", "", 0},
		{"new", "", "añ😀", 1},
		{"gone", "añ😀", "", 1},
		{"one letter", "house", "horse", 1},
		{"one emoji of two with the same first bytes", "a😀b", "a😁b", 1},
		{"accent", "cafe", "café", 1},
		{"two words apart", "the price is four euro a kilo", "the cost is four euro a pound", 2},
		{"lines", "a\nb\nc\nd\n", "a\nc\nd\ne\n", 2},
		{"two places of a long line", long + "end", "A" + long[:9000] + long[9000:] + "End", 2},
		{"nothing in common", strings.Repeat("ab\n", 3000), strings.Repeat("cd\n", 3000), 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			ops := document.Diff("text", c.from, c.to)
			if got := applied(t, c.from, ops); got != c.to {
				t.Errorf("got %.60q, want %.60q", got, c.to)
			}
			if len(ops) != c.ops {
				t.Errorf("%d ops, want %d: %.300v", len(ops), c.ops, fmt.Sprint(ops))
			}
		})
	}
}

func TestDiffRandom(t *testing.T) {
	for seed := range uint64(2000) {
		rng := rand.New(rand.NewPCG(seed, 3))
		from := randomText(rng, rng.IntN(40))
		to := []rune(from)
		for range rng.IntN(4) {
			at := rng.IntN(len(to) + 1)
			end := min(len(to), at+rng.IntN(5))
			to = append(append(append([]rune{}, to[:at]...), []rune(randomText(rng, rng.IntN(5)))...), to[end:]...)
		}
		if got := applied(t, from, document.Diff("text", from, string(to))); got != string(to) {
			t.Fatalf("seed %d: from %q got %q, want %q", seed, from, got, string(to))
		}
	}
}

// TestDiffIsBounded holds that texts with nothing in common, and with something
// in common everywhere, give few ops.
func TestDiffIsBounded(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	letters := func(n int) string {
		var b strings.Builder
		for range n {
			b.WriteByte("abcdefgh \n"[rng.IntN(10)])
		}
		return b.String()
	}
	for _, n := range []int{1000, 10_000, 50_000} {
		from, to := letters(n), letters(n)
		ops := document.Diff("text", from, to)
		if got := applied(t, from, ops); got != to {
			t.Errorf("%d: the diff is wrong", n)
		}
		if len(ops) > document.MaxOps/2 {
			t.Errorf("%d: %d ops", n, len(ops))
		}
	}
}

func TestDiffInManyPlaces(t *testing.T) {
	var from, to strings.Builder
	for i := range 300 {
		fmt.Fprintf(&from, "Article %d costs four euro a kilo.\n", i)
		fmt.Fprintf(&to, "Article %d costs nine euro a kilo.\n", i)
	}
	for lines, want := range map[int]int{100: 100, 300: 1} {
		cut := func(s string) string { return strings.Join(strings.SplitAfter(s, "\n")[:lines], "") }
		ops := document.Diff("text", cut(from.String()), cut(to.String()))
		if len(ops) != want {
			t.Errorf("%d lines: %d ops, want %d", lines, len(ops), want)
		}
		if got := applied(t, cut(from.String()), ops); got != cut(to.String()) {
			t.Errorf("%d lines: the diff is wrong", lines)
		}
	}
}

// TestDiffMerges holds what Diff is for: changes of two people to different
// words both count.
func TestDiffMerges(t *testing.T) {
	w := newWorld(t, 2)
	doc := w.create(0, document.Diff("text", "", "apples and pears")...)
	w.sync()
	w.mustEdit(0, doc, document.Diff("text", "apples and pears", "plums and pears")...)
	w.mustEdit(1, doc, document.Diff("text", "apples and pears", "apples and quinces")...)
	w.sync()
	if got := w.value(0, doc).Text("text"); got != "plums and quinces" {
		t.Errorf("got %q", got)
	}
}
