// Package table is an ordered map that can be copied in constant time. The
// folded state of a co-op is made of tables: what is provisional is a copy with
// a few changes on top, and a reader gets a copy that no writer disturbs.
//
// Values are never changed in place: to change one, Put another.
package table

import (
	"io"
	"iter"

	"github.com/tidwall/btree"

	"coop/crdt/record"
)

// Ordered is what a key must be able to do.
type Ordered[K any] interface {
	comparable
	Compare(K) int
}

type pair[K, V any] struct {
	_     struct{} `cbor:",toarray"`
	Key   K
	Value V
}

// Table maps keys to values in the order of the keys. The zero Table is not
// ready: use New. One goroutine may write a Table while others use its Clones.
type Table[K Ordered[K], V any] struct {
	tree *btree.BTreeG[pair[K, V]]
}

// New returns an empty table.
func New[K Ordered[K], V any]() Table[K, V] {
	less := func(a, b pair[K, V]) bool { return a.Key.Compare(b.Key) < 0 }
	return Table[K, V]{btree.NewBTreeGOptions(less, btree.Options{NoLocks: true})}
}

// Clone returns a copy; a change to one is not seen in the other.
func (t Table[K, V]) Clone() Table[K, V] { return Table[K, V]{t.tree.Copy()} }

// Get returns the value under k, and whether there is one.
func (t Table[K, V]) Get(k K) (V, bool) {
	p, ok := t.tree.Get(pair[K, V]{Key: k})
	return p.Value, ok
}

// Has reports whether k is in the table.
func (t Table[K, V]) Has(k K) bool {
	_, ok := t.Get(k)
	return ok
}

// Put stores v under k.
func (t Table[K, V]) Put(k K, v V) { t.tree.Set(pair[K, V]{Key: k, Value: v}) }

// Delete removes k; it is no error if k is not there.
func (t Table[K, V]) Delete(k K) { t.tree.Delete(pair[K, V]{Key: k}) }

// Len returns the number of keys.
func (t Table[K, V]) Len() int { return t.tree.Len() }

// All walks the table in the order of its keys. The table must not be changed
// meanwhile; walk a Clone for that.
func (t Table[K, V]) All() iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		t.tree.Scan(func(p pair[K, V]) bool { return yield(p.Key, p.Value) })
	}
}

// From walks the keys that are not less than k, in order.
func (t Table[K, V]) From(k K) iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		t.tree.Ascend(pair[K, V]{Key: k}, func(p pair[K, V]) bool { return yield(p.Key, p.Value) })
	}
}

// WriteTo writes the table in the deterministic encoding of package record: one
// encoded row after the other, preceded by their number. Equal tables write
// equal bytes.
func (t Table[K, V]) WriteTo(w io.Writer) (n int64, err error) {
	write := func(v any) bool {
		var k int
		k, err = w.Write(record.Marshal(v))
		n += int64(k)
		return err == nil
	}
	if write(uint64(t.Len())) {
		t.tree.Scan(func(p pair[K, V]) bool { return write(p) })
	}
	return n, err
}
