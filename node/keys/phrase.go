package keys

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	_ "embed"
	"errors"
	"fmt"
	"slices"
	"strings"

	"coop/crdt/record"
)

// words.txt is the English list of BIP-39 (github.com/bitcoin/bips, MIT
// licence), 2048 words in order, one a line. It was made, and can be made again,
// with
//
//	npm pack bip39@3.1.0 && tar xzf bip39-3.1.0.tgz &&
//	jq -r '.[]' package/src/wordlists/english.json > words.txt
//
//go:embed words.txt
var wordList string

const (
	phraseWords  = 24
	wordBits     = 11
	seedRounds   = 2048
	seedSalt     = "mnemonic" // BIP-39: followed by a passphrase, of which we have none
	rootPurpose  = "coop/1 root 0"
	entropyBytes = 32
)

func words() []string { return strings.Fields(wordList) }

// Phrase is the 24 words on paper from which a person's root key comes.
//
// They encode 32 random bytes and a checksum as BIP-39 says, and give its seed
// of 64 bytes (PBKDF2, no passphrase). The root key's secret is the first half
// of HMAC-SHA512 with that seed as key over "coop/1 root 0"; further root keys
// of the same words would count on from there.
type Phrase struct{ words []string }

// NewPhrase makes a phrase nobody can guess.
func NewPhrase() Phrase {
	entropy := make([]byte, entropyBytes)
	rand.Read(entropy) // never fails
	return Phrase{encode(entropy)}
}

// ParsePhrase reads a phrase as somebody typed it: in capitals or not, with
// numbers, commas or new lines between the words. The error says which word is
// wrong where that can be told.
func ParsePhrase(typed string) (Phrase, error) {
	p := Phrase{typedWords(typed)}
	if len(p.words) != phraseWords {
		return Phrase{}, fmt.Errorf("a phrase has %d words, this one has %d: write all of them, in their order", phraseWords, len(p.words))
	}
	if _, err := decode(p.words); err != nil {
		return Phrase{}, err
	}
	return p, nil
}

// typedWords returns the words in what somebody typed, whatever is between them.
func typedWords(typed string) []string {
	return strings.FieldsFunc(strings.ToLower(typed), func(c rune) bool { return c < 'a' || c > 'z' })
}

// String returns the words with spaces between.
func (p Phrase) String() string { return strings.Join(p.words, " ") }

// Root returns the root key. It takes a millisecond or so.
func (p Phrase) Root() *record.Private {
	mac := hmac.New(sha512.New, seed(p.String(), ""))
	mac.Write([]byte(rootPurpose))
	return record.NewPrivate([32]byte(mac.Sum(nil)[:32]))
}

func seed(phrase, passphrase string) []byte {
	b, err := pbkdf2.Key(sha512.New, phrase, []byte(seedSalt+passphrase), seedRounds, sha512.Size)
	if err != nil {
		panic(err) // only for parameters other than these
	}
	return b
}

// encode writes entropy and the first bits of its SHA-256, one for each 32, as
// words of 11 bits.
func encode(entropy []byte) []string {
	sum := sha256.Sum256(entropy)
	return spell(append(slices.Clone(entropy), sum[0]), len(entropy)*3/4)
}

// spell writes the first bits as words of 11 bits.
func spell(bits []byte, n int) []string {
	list, out := words(), make([]string, n)
	for i := range out {
		n := 0
		for b := i * wordBits; b < (i+1)*wordBits; b++ {
			n = n<<1 | int(bits[b/8]>>(7-b%8)&1)
		}
		out[i] = list[n]
	}
	return out
}

// decode is the inverse of encode.
func decode(phrase []string) ([]byte, error) {
	list, bits := words(), make([]byte, len(phrase)*wordBits/8+1)
	for i, w := range phrase {
		n, ok := slices.BinarySearch(list, w)
		if !ok {
			return nil, fmt.Errorf("word %d, %q, is in no phrase: is it %q?", i+1, w, nearest(list, w))
		}
		for b := range wordBits {
			at := i*wordBits + b
			bits[at/8] |= byte(n >> (wordBits - 1 - b) & 1 << (7 - at%8))
		}
	}
	entropy := bits[:len(phrase)*4/3]
	if !slices.Equal(encode(entropy), phrase) {
		return nil, errors.New("each of the words exists, but together they are no phrase: one is read wrongly, or two have changed places; compare them with the paper")
	}
	return entropy, nil
}

// nearest returns the word of the list that takes the fewest changes of a
// letter to become w.
func nearest(list []string, w string) string {
	return slices.MinFunc(list, func(a, b string) int { return distance(a, w) - distance(b, w) })
}

// distance is Levenshtein's.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
