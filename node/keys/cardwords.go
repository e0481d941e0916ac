package keys

import (
	"crypto/pbkdf2"
	"crypto/sha512"
	"slices"
	"strings"

	"coop/crdt/record"
)

const (
	cardWords  = 4
	cardBytes  = 6       // that hold their 44 bits
	cardRounds = 1 << 14 // some 10 ms; for whoever looks for keys with the same words, 2^58 hashes
)

// CardWords returns the four words of a join or recovery card, with spaces between:
// who shows it and who sees it compare them by voice. They come from the two keys
// alone, for these are what the co-op would take; the rest of a card is for reading.
// It takes some 10 ms, so that another card with these words costs more than it brings.
func CardWords(root, device record.Key) string {
	keys := string(root[:]) + string(device[:])
	bits, err := pbkdf2.Key(sha512.New, keys, []byte(record.DomainWords), cardRounds, cardBytes)
	if err != nil {
		panic(err) // only for parameters other than these
	}
	return strings.Join(spell(bits, cardWords), " ")
}

// ParseCardWords reads the words of a card as somebody typed them: in capitals or not,
// with hyphens or anything else that is no letter between them. It reports whether
// they are such words.
func ParseCardWords(typed string) (spelt string, ok bool) {
	all, list := typedWords(typed), words()
	for _, w := range all {
		if _, known := slices.BinarySearch(list, w); !known {
			return "", false
		}
	}
	return strings.Join(all, " "), len(all) == cardWords
}
