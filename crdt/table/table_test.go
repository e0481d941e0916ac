package table_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand"
	"slices"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"coop/crdt/record"
	"coop/crdt/table"
)

type value struct {
	_    struct{} `cbor:",toarray"`
	N    int64
	Name string
	IDs  []record.ID
}

type (
	tableOf = table.Table[record.ID, value]
	mapOf   map[record.ID]value
)

func newTable() tableOf { return table.New[record.ID, value]() }

// idOf spreads small numbers so that their order is not that of the numbers.
func idOf(n int) (id record.ID) {
	id[0], id[31] = byte(n*7), byte(n)
	id[30] = byte(n >> 8)
	return id
}

func valueOf(n int) value { return value{N: int64(n), Name: fmt.Sprint("v", n)} }

func sorted(m mapOf) []record.ID { return slices.SortedFunc(maps.Keys(m), record.ID.Compare) }

type fataler interface {
	Helper()
	Fatalf(string, ...any)
}

// check holds a table against a map.
func check(t fataler, got tableOf, want mapOf) {
	t.Helper()
	if got.Len() != len(want) {
		t.Fatalf("%d keys, want %d", got.Len(), len(want))
	}
	var keys []record.ID
	for k, v := range got.All() {
		keys = append(keys, k)
		if v.N != want[k].N {
			t.Fatalf("All: %s is %d, want %d", k.Short(), v.N, want[k].N)
		}
	}
	if !slices.Equal(keys, sorted(want)) {
		t.Fatalf("All: keys %v, want %v", keys, sorted(want))
	}
	for k, w := range want {
		if v, ok := got.Get(k); !ok || v.N != w.N || !got.Has(k) {
			t.Fatalf("Get(%s): got %v, %v, want %v", k.Short(), v, ok, w)
		}
	}
}

// TestModel drives a table and its copies, each beside a Go map.
func TestModel(t *testing.T) {
	const keys = 300
	rapid.Check(t, func(t *rapid.T) {
		tables, models := []tableOf{newTable()}, []mapOf{{}}
		key := rapid.IntRange(0, keys)
		pick := func(t *rapid.T) int { return rapid.IntRange(0, len(tables)-1).Draw(t, "table") }
		t.Repeat(map[string]func(*rapid.T){
			"put": func(t *rapid.T) {
				i, n := pick(t), rapid.Int64().Draw(t, "n")
				k := idOf(key.Draw(t, "key"))
				tables[i].Put(k, value{N: n})
				models[i][k] = value{N: n}
			},
			"put many": func(t *rapid.T) {
				i, n := pick(t), rapid.Int64().Draw(t, "n")
				for at := range rapid.IntRange(0, keys).Draw(t, "how many") {
					tables[i].Put(idOf(at), value{N: n})
					models[i][idOf(at)] = value{N: n}
				}
			},
			"delete": func(t *rapid.T) {
				i, k := pick(t), idOf(key.Draw(t, "key"))
				tables[i].Delete(k)
				delete(models[i], k)
			},
			"delete many": func(t *rapid.T) {
				i, step := pick(t), rapid.IntRange(1, 5).Draw(t, "step")
				for at := 0; at < keys; at += step {
					tables[i].Delete(idOf(at))
					delete(models[i], idOf(at))
				}
			},
			"clone": func(t *rapid.T) {
				i := pick(t)
				if len(tables) < 6 {
					tables, models = append(tables, tables[i].Clone()), append(models, maps.Clone(models[i]))
				}
			},
			"drop": func(t *rapid.T) {
				if i := pick(t); len(tables) > 1 {
					tables, models = slices.Delete(tables, i, i+1), slices.Delete(models, i, i+1)
				}
			},
			"get nothing": func(t *rapid.T) {
				i, k := pick(t), idOf(key.Draw(t, "key"))
				if _, want := models[i][k]; tables[i].Has(k) != want {
					t.Fatalf("Has(%s): got %v, want %v", k.Short(), !want, want)
				}
			},
			"from": func(t *rapid.T) { checkFrom(t, tables[pick(t)], idOf(key.Draw(t, "key"))) },
			"write and read": func(t *rapid.T) {
				i := pick(t)
				again := newTable()
				rest, err := again.Read(append(write(t, tables[i]), 9, 9))
				if err != nil || !bytes.Equal(rest, []byte{9, 9}) {
					t.Fatalf("Read: %x left, %v", rest, err)
				}
				tables[i] = again
			},
			"": func(t *rapid.T) {
				for i := range tables {
					check(t, tables[i], models[i])
				}
			},
		})
	})
}

// checkFrom holds From against All, also where the walk ends early.
func checkFrom(t *rapid.T, tb tableOf, from record.ID) {
	var want, got []record.ID
	for k := range tb.All() {
		if k.Compare(from) >= 0 {
			want = append(want, k)
		}
	}
	for k, v := range tb.From(from) {
		if w, _ := tb.Get(k); w.N != v.N {
			t.Fatalf("From: %s is %d, want %d", k.Short(), v.N, w.N)
		}
		got = append(got, k)
	}
	if !slices.Equal(got, want) {
		t.Fatalf("From(%s): got %v, want %v", from.Short(), got, want)
	}
	for range tb.From(from) {
		break
	}
	for range tb.All() {
		break
	}
}

func write(t fataler, tb tableOf) []byte {
	t.Helper()
	var b bytes.Buffer
	n, err := tb.WriteTo(&b)
	if err != nil || n != int64(b.Len()) {
		t.Fatalf("WriteTo: %d bytes, %v, wrote %d", n, err, b.Len())
	}
	return b.Bytes()
}

func fill(n int) (tableOf, mapOf) {
	tb, m := newTable(), mapOf{}
	for i := range n {
		tb.Put(idOf(i), valueOf(i))
		m[idOf(i)] = valueOf(i)
	}
	return tb, m
}

// TestWriteTo holds that the bytes depend on what is in a table, not on how it
// got there, and what they are.
func TestWriteTo(t *testing.T) {
	tb, _ := fill(500)
	want := write(t, tb)
	seed := rand.Int63()
	rng := rand.New(rand.NewSource(seed))
	other := newTable()
	for _, i := range rng.Perm(600) {
		other.Put(idOf(i), valueOf(-i))
	}
	for _, i := range rng.Perm(600) {
		if i < 500 {
			other.Put(idOf(i), valueOf(i))
		} else {
			other.Delete(idOf(i))
		}
	}
	if got := write(t, other); !bytes.Equal(got, want) {
		t.Errorf("seed %d: equal tables write different bytes", seed)
	}
	other.Put(idOf(3), valueOf(4))
	if bytes.Equal(write(t, other), want) {
		t.Error("different tables write equal bytes")
	}

	small := newTable()
	small.Put(idOf(0), value{N: 5, Name: "a"})
	byHand := append([]byte{1, 0x82, 0x58, 32}, make([]byte, 32)...)
	byHand = append(byHand, 0x83, 5, 0x61, 'a', 0x80)
	if got := write(t, small); !bytes.Equal(got, byHand) {
		t.Errorf("got %x, want %x", got, byHand)
	}
	if got := write(t, newTable()); !bytes.Equal(got, []byte{0}) {
		t.Errorf("empty table: got %x, want 00", got)
	}
}

// full is a writer that takes so many bytes and no more.
type full struct{ room int }

func (f *full) Write(b []byte) (int, error) {
	if len(b) > f.room {
		n := f.room
		f.room = 0
		return n, io.ErrShortWrite
	}
	f.room -= len(b)
	return len(b), nil
}

func TestWriteToFull(t *testing.T) {
	tb, _ := fill(50)
	size := len(write(t, tb))
	for room := range size {
		n, err := tb.WriteTo(&full{room})
		if !errors.Is(err, io.ErrShortWrite) || n != int64(room) {
			t.Fatalf("room for %d of %d bytes: wrote %d, %v", room, size, n, err)
		}
	}
}

// once is a writer that fails at its second write only.
type once struct{ writes int }

func (o *once) Write(b []byte) (int, error) {
	o.writes++
	if o.writes == 2 {
		return 0, io.ErrClosedPipe
	}
	return len(b), nil
}

func TestWriteToStops(t *testing.T) {
	tb, _ := fill(50)
	w := &once{}
	if n, err := tb.WriteTo(w); !errors.Is(err, io.ErrClosedPipe) || n != 2 || w.writes != 2 {
		t.Errorf("got %d bytes, %v after %d writes, want 2 and the error after 2", n, err, w.writes)
	}
}

func TestReadDamaged(t *testing.T) {
	tb, want := fill(20)
	good := write(t, tb)
	for i := range good {
		if _, err := newTable().Read(good[:i]); err == nil {
			t.Errorf("cut off at %d: accepted", i)
		}
		for _, c := range []byte{0, 1, 0x80, 0xf6, 0xff, good[i] ^ 1, good[i] ^ 0x20} {
			bad := bytes.Clone(good)
			bad[i] = c
			readOrRefuse(t, bad)
		}
	}
	row := func(n int) []byte { return good[1+n*((len(good)-1)/20):] }
	tests := []struct {
		name string
		in   []byte
	}{
		{"nothing", nil},
		{"more rows than there are", append([]byte{21}, good[1:]...)},
		{"2^64-1 rows", append([]byte{0x1b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, good[1:]...)},
		{"negative number of rows", append([]byte{0x20}, good[1:]...)},
		{"a row twice", slices.Concat([]byte{2}, firstRow(t), firstRow(t))},
		{"a row of one", append([]byte{1, 0x81}, row(0)[1:]...)},
		{"a row that is no array", []byte{1, 5}},
		{"null for a value", append(append([]byte{1, 0x82, 0x58, 32}, make([]byte, 32)...), 0x61, 'a')},
	}
	for _, tt := range tests {
		if _, err := newTable().Read(tt.in); err == nil {
			t.Errorf("%s: accepted", tt.name)
		}
	}
	again := newTable()
	if rest, err := again.Read(good); err != nil || len(rest) != 0 {
		t.Fatalf("undamaged: %x left, %v", rest, err)
	}
	check(t, again, want)
}

func firstRow(t *testing.T) []byte {
	tb, _ := fill(1)
	return write(t, tb)[1:]
}

// readOrRefuse reads bytes that may be damaged: what is accepted is a table
// like any other.
func readOrRefuse(t fataler, b []byte) {
	t.Helper()
	tb := newTable()
	rest, err := tb.Read(b)
	if err != nil {
		return
	}
	m := mapOf{}
	for k, v := range tb.All() {
		m[k] = v
	}
	check(t, tb, m)
	again := newTable()
	if _, err := again.Read(write(t, tb)); err != nil || len(rest) > len(b) {
		t.Fatalf("%x: what was read cannot be read again: %v", b, err)
	}
	check(t, again, m)
}

func FuzzRead(f *testing.F) {
	for _, n := range []int{0, 1, 3, 40} {
		tb, _ := fill(n)
		f.Add(write(f, tb))
	}
	f.Fuzz(func(t *testing.T, b []byte) { readOrRefuse(t, b) })
}

// TestCloneConcurrent reads copies while the table they were taken from is
// written: each reader must see what was there when its copy was made.
func TestCloneConcurrent(t *testing.T) {
	tb, model := fill(400)
	type snapshot struct {
		table tableOf
		model mapOf
	}
	snapshots := make(chan snapshot)
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for s := range snapshots {
				check(errorer{t}, s.table, s.model)
				own := s.table.Clone() // a reader may go on with a copy of its own
				own.Put(idOf(1), valueOf(-1))
				own.Delete(idOf(2))
				check(errorer{t}, s.table, s.model)
			}
		})
	}
	seed := rand.Int63()
	rng := rand.New(rand.NewSource(seed))
	t.Logf("seed %d", seed)
	for range 150 {
		snapshots <- snapshot{tb.Clone(), maps.Clone(model)}
		for range 60 {
			n := rng.Intn(600)
			if rng.Intn(3) == 0 {
				tb.Delete(idOf(n))
				delete(model, idOf(n))
			} else {
				v := valueOf(rng.Int())
				tb.Put(idOf(n), v)
				model[idOf(n)] = v
			}
		}
	}
	close(snapshots)
	readers.Wait()
	check(t, tb, model)
}

// errorer lets check run outside the goroutine of the test.
type errorer struct{ t *testing.T }

func (e errorer) Helper()                        { e.t.Helper() }
func (e errorer) Fatalf(format string, a ...any) { e.t.Errorf(format, a...) }

// TestCloneCost holds that a copy costs the same however large the table is.
func TestCloneCost(t *testing.T) {
	small, _ := fill(10)
	large, _ := fill(20_000)
	a := testing.AllocsPerRun(100, func() { small.Clone() })
	b := testing.AllocsPerRun(100, func() { large.Clone() })
	if a != b {
		t.Errorf("a copy of 10 rows takes %v allocations, of 20,000 rows %v", a, b)
	}
}
