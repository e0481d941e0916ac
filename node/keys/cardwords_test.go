package keys_test

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"testing"

	"coop/crdt/record"
	"coop/node/keys"
)

// TestCardWords holds the words of cards to the vectors, which were made by another
// program (Python's hashlib).
func TestCardWords(t *testing.T) {
	var v struct {
		Cards []struct{ Root, Device, Words string }
	}
	b, err := os.ReadFile("../../testdata/vectors/words.json")
	if err == nil {
		err = json.Unmarshal(b, &v)
	}
	if err != nil || len(v.Cards) == 0 {
		t.Fatalf("%d vectors, %v", len(v.Cards), err)
	}
	key := func(text string) (k record.Key) {
		b, err := hex.DecodeString(text)
		if err != nil || copy(k[:], b) != len(k) {
			t.Fatalf("%q is no key: %v", text, err)
		}
		return k
	}
	seen := map[string]bool{}
	for _, c := range v.Cards {
		got := keys.CardWords(key(c.Root), key(c.Device))
		if got != c.Words {
			t.Errorf("root %s, device %s: %q, want %q", c.Root, c.Device, got, c.Words)
		}
		if seen[got] {
			t.Errorf("two cards have the words %q", got)
		}
		seen[got] = true
	}
}

func TestParseCardWords(t *testing.T) {
	for typed, want := range map[string]string{
		"able about above absent":      "able about above absent",
		"Able-ABOUT-above, absent":     "able about above absent",
		"able about above":             "",
		"able about above absent able": "",
		"able about above Robert":      "",
		"Ana":                          "",
		"":                             "",
	} {
		got, ok := keys.ParseCardWords(typed)
		if ok != (want != "") || ok && got != want {
			t.Errorf("%q: %q, %v, want %q", typed, got, ok, want)
		}
	}
}
