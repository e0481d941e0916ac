// Package lookalike says which names people can take for one another. It is for
// warnings and for what a node does unasked: its tables are those of a library and
// change with it, so no rule of the fold may ask it.
package lookalike

import (
	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/mtibben/confusables"

	"coop/crdt/text"
)

// Names are the names that there are, by what they look like.
type Names[T any] map[string][]T

// Add adds what has a name.
func (n Names[T]) Add(name string, of T) {
	for _, k := range keys(name) {
		n[k] = append(n[k], of)
	}
}

// Like returns all that have this name, in whatever case, or one that looks like
// it; some of them twice.
func (n Names[T]) Like(name string) (all []T) {
	for _, k := range keys(name) {
		all = append(all, n[k]...)
	}
	return all
}

// Alike reports whether two names are the same, in whatever case, or look so.
func Alike(a, b string) bool {
	n := Names[bool]{}
	n.Add(a, true)
	return n.Like(b) != nil
}

// keys returns the skeletons (UTS 39) by which two names are alike if they have one
// in common: of the name as it is written, where I is like l, and of its letters in
// one case, where A is like a Cyrillic one.
func keys(name string) [2]string {
	if k, ok := made.Get(name); ok {
		return k
	}
	k := [2]string{"as written " + text.Fold(confusables.Skeleton(name)), "in one case " + confusables.Skeleton(text.Fold(name))}
	made.Add(name, k)
	return k
}

// made are keys that were asked for lately. To make them takes some microseconds, and a
// node compares each newcomer at its door with all members whenever anything changed.
var made = newCache()

func newCache() *lru.Cache[string, [2]string] {
	c, err := lru.New[string, [2]string](1 << 12)
	if err != nil {
		panic(err) // the size is not positive
	}
	return c
}
