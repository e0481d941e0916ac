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

// pair is a row. The tree holds pointers to pairs, which are never changed.
type pair[K, V any] struct {
	_     struct{} `cbor:",toarray"`
	Key   K
	Value V
}

// item is what the tree holds: a pointer to a row's key, and one to the row.
type item struct{ key, row any }

func (p *pair[K, V]) item() item { return item{&p.Key, p} }

// tree is the one tree of all tables. The compiler makes a generic type anew for
// each of its uses, in each package that sees one: with a B-tree for every table,
// most of the time to build this program went there.
type tree struct{ of *btree.BTreeG[item] }

//go:noinline
func newTree(less func(a, b item) bool) tree {
	return tree{btree.NewBTreeGOptions(less, btree.Options{NoLocks: true})}
}

//go:noinline
func (t tree) clone() tree { return tree{t.of.Copy()} }

//go:noinline
func (t tree) get(k any) (any, bool) {
	i, ok := t.of.Get(item{key: k})
	return i.row, ok
}

//go:noinline
func (t tree) put(i item) { t.of.Set(i) }

//go:noinline
func (t tree) load(i item) { t.of.Load(i) }

//go:noinline
func (t tree) delete(k any) { t.of.Delete(item{key: k}) }

//go:noinline
func (t tree) len() int { return t.of.Len() }

//go:noinline
func (t tree) scan(f func(item) bool) { t.of.Scan(f) }

//go:noinline
func (t tree) ascend(k any, f func(item) bool) { t.of.Ascend(item{key: k}, f) }

// Table maps keys to values in the order of the keys. The zero Table is not
// ready: use New. One goroutine may write a Table while others use its Clones.
type Table[K Ordered[K], V any] struct{ tree tree }

// New returns an empty table.
func New[K Ordered[K], V any]() Table[K, V] {
	return Table[K, V]{newTree(func(a, b item) bool {
		return (*a.key.(*K)).Compare(*b.key.(*K)) < 0
	})}
}

// Clone returns a copy; a change to one is not seen in the other.
func (t Table[K, V]) Clone() Table[K, V] { return Table[K, V]{t.tree.clone()} }

// Get returns the value under k, and whether there is one.
func (t Table[K, V]) Get(k K) (v V, ok bool) {
	row, ok := t.tree.get(&k)
	if ok {
		v = row.(*pair[K, V]).Value
	}
	return v, ok
}

// Has reports whether k is in the table.
func (t Table[K, V]) Has(k K) bool {
	_, ok := t.Get(k)
	return ok
}

// Put stores v under k.
func (t Table[K, V]) Put(k K, v V) { t.tree.put((&pair[K, V]{Key: k, Value: v}).item()) }

// Delete removes k; it is no error if k is not there.
func (t Table[K, V]) Delete(k K) { t.tree.delete(&k) }

// Len returns the number of keys.
func (t Table[K, V]) Len() int { return t.tree.len() }

// All walks the table in the order of its keys. The table must not be changed
// meanwhile; walk a Clone for that.
func (t Table[K, V]) All() iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		t.tree.scan(each(yield))
	}
}

// From walks the keys that are not less than k, in order.
func (t Table[K, V]) From(k K) iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		t.tree.ascend(&k, each(yield))
	}
}

// each hands rows on as keys and values.
func each[K, V any](yield func(K, V) bool) func(item) bool {
	return func(i item) bool {
		p := i.row.(*pair[K, V])
		return yield(p.Key, p.Value)
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
		t.tree.scan(func(i item) bool { return write(i.row) })
	}
	return n, err
}
