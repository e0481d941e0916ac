package keys_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"coop/node/keys"
)

// TestVectors runs the vectors of BIP-39's reference implementation
// (github.com/trezor/python-mnemonic, MIT licence; taken from the tests of
// github.com/tyler-smith/go-bip39 v1.1.0): entropy, words, and the seed with
// the passphrase TREZOR.
func TestVectors(t *testing.T) {
	b, err := os.ReadFile("testdata/bip39.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors [][3]string
	if err := json.Unmarshal(b, &vectors); err != nil || len(vectors) != 24 {
		t.Fatalf("%d vectors, %v, want 24", len(vectors), err)
	}
	for _, v := range vectors {
		entropy, _ := hex.DecodeString(v[0])
		if got := strings.Join(keys.Encode(entropy), " "); got != v[1] {
			t.Errorf("words of %s: %s, want %s", v[0], got, v[1])
		}
		if got, err := keys.Decode(strings.Fields(v[1])); hex.EncodeToString(got) != v[0] {
			t.Errorf("entropy of %s: %x, %v, want %s", v[1], got, err, v[0])
		}
		if got := hex.EncodeToString(keys.Seed(v[1], "TREZOR")); got != v[2] {
			t.Errorf("seed of %s: %s, want %s", v[1], got, v[2])
		}
	}
}

// TestWordList holds the list to the one of BIP-39, byte for byte.
func TestWordList(t *testing.T) {
	b, err := os.ReadFile("words.txt")
	if err != nil {
		t.Fatal(err)
	}
	const want = "2f5eed53a4727b4bf8880d8f3f199efc90e58503646d9ff8eff3a2ed3b24dbda"
	if sum := sha256.Sum256(b); hex.EncodeToString(sum[:]) != want {
		t.Errorf("SHA-256 of words.txt is %x, want %s", sum, want)
	}
}

// paper is a phrase somebody has on paper; its root key must never change.
const paper = "meadow surge vanish primary odor grocery rubber mass shine dinner notable tag " +
	"venue water purchase clarify book magic ribbon daughter menu eye ritual orchard"

func TestRoot(t *testing.T) {
	p, err := keys.ParsePhrase(paper)
	if err != nil {
		t.Fatal(err)
	}
	const want = "vphi632ejaoejzrworgpz3jdkukkwho72vgtkxundhey4io5dzea"
	if got := p.Root().Public().String(); got != want {
		t.Errorf("root key of the phrase is %s, want %s", got, want)
	}
}

func TestNewPhrase(t *testing.T) {
	one, other := keys.NewPhrase(), keys.NewPhrase()
	if one.String() == other.String() {
		t.Fatal("two new phrases are equal")
	}
	back, err := keys.ParsePhrase(one.String())
	if err != nil || back.Root().Public() != one.Root().Public() {
		t.Errorf("%v: %v", back, err)
	}
	if one.Root().Public() == other.Root().Public() {
		t.Error("two phrases have one root key")
	}
}

func TestParsePhrase(t *testing.T) {
	words := strings.Fields(paper)
	with := func(i int, w string) string {
		c := slices.Clone(words)
		c[i] = w
		return strings.Join(c, " ")
	}
	numbered := ""
	for i, w := range words {
		numbered += string(rune('0'+i%10)) + ". " + strings.ToUpper(w) + ",\r\n"
	}
	swapped := slices.Clone(words)
	swapped[3], swapped[4] = swapped[4], swapped[3]
	for _, c := range []struct {
		name, typed string
		want        []string // in the error; nil: none
	}{
		{"as written", paper, nil},
		{"numbered, in capitals, on lines", numbered, nil},
		{"nothing", "", []string{"24 words, this one has 0"}},
		{"one too few", strings.Join(words[1:], " "), []string{"this one has 23"}},
		{"one too many", paper + " zoo", []string{"this one has 25"}},
		{"12 good words", "legal winner thank year wave sausage worth useful legal winner thank yellow", []string{"this one has 12"}},
		{"a letter wrong", with(4, "odir"), []string{"word 5", `"odir"`, `is it "odor"`}},
		{"a letter missing", with(9, "diner"), []string{"word 10", `is it "dinner"`}},
		{"a letter too many", with(23, "orchards"), []string{"word 24", `is it "orchard"`}},
		{"another word", with(0, "abandon"), []string{"compare them with the paper"}},
		{"two changed places", strings.Join(swapped, " "), []string{"changed places"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := keys.ParsePhrase(c.typed)
			if c.want == nil {
				if err != nil || p.String() != paper {
					t.Fatalf("%v, %v", p, err)
				}
				return
			}
			for _, want := range c.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("error is %v, want %q in it", err, want)
				}
			}
		})
	}
}

// TestEveryWordMatters changes each word of a phrase into the next of the list:
// the checksum of 8 bits lets about one in 256 pass.
func TestEveryWordMatters(t *testing.T) {
	list, _ := os.ReadFile("words.txt")
	all := strings.Fields(string(list))
	words, passed := strings.Fields(paper), 0
	for i, w := range words {
		for step := 1; step <= 40; step++ {
			at, _ := slices.BinarySearch(all, w)
			c := slices.Clone(words)
			c[i] = all[(at+step)%len(all)]
			if _, err := keys.ParsePhrase(strings.Join(c, " ")); err == nil {
				passed++
			}
		}
	}
	if passed > 20 {
		t.Errorf("%d of 960 wrong phrases pass, want about 4", passed)
	}
}

func FuzzParsePhrase(f *testing.F) {
	f.Add(paper)
	f.Add("word")
	f.Add(strings.Repeat("zoo ", 24))
	f.Fuzz(func(t *testing.T, typed string) {
		p, err := keys.ParsePhrase(typed)
		if err != nil {
			return
		}
		if again, err := keys.ParsePhrase(p.String()); err != nil || again.String() != p.String() {
			t.Errorf("%q is taken, but not again: %v", typed, err)
		}
	})
}
