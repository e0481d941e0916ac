package record_test

import (
	"bytes"
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"coop/crdt/record"
)

// inner and sample have a field of each type that a body may have.
type inner struct {
	_    struct{} `cbor:",toarray"`
	Name string
	N    int64
}

type sample struct {
	_     struct{} `cbor:",toarray"`
	ID    record.ID
	N     int64
	U     uint8
	On    bool
	Text  string
	Bytes []byte
	IDs   []record.ID
	Inner inner
	List  []inner
}

func sampleItems() [][]byte {
	id := idOf(7)
	return [][]byte{
		cborBytes(id[:]), cborInt(-5), cborUint(200), {0xf5}, cborText("é"), cborBytes([]byte{1, 2}),
		cborArray(cborBytes(id[:])), cborArray(cborText("a"), cborInt(1)), cborArray(cborArray(cborText("b"), cborInt(2))),
	}
}

func TestUnmarshal(t *testing.T) {
	want := sample{
		ID: idOf(7), N: -5, U: 200, On: true, Text: "é", Bytes: []byte{1, 2}, IDs: []record.ID{idOf(7)},
		Inner: inner{Name: "a", N: 1}, List: []inner{{Name: "b", N: 2}},
	}
	b := cborArray(sampleItems()...)
	var got sample
	if err := record.Unmarshal(b, &got); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	if again := record.Marshal(want); !bytes.Equal(again, b) {
		t.Errorf("got %x, want %x", again, b)
	}
}

func TestUnmarshalStrict(t *testing.T) {
	const (
		id = iota
		n
		u
		on
		text
		raw
		ids
		in
		list
	)
	id7 := idOf(7)
	tests := []struct {
		name  string
		field int
		item  []byte
	}{
		{"id of 31 bytes", id, cborBytes(id7[:31])},
		{"id of 33 bytes", id, cborBytes(append(id7[:], 0))},
		{"id as array", id, cborInts(id7[:])},
		{"id as null", id, []byte{0xf6}},
		{"id undefined", id, []byte{0xf7}},
		{"id as text", id, cborText(string(id7[:]))},
		{"id in chunks", id, append(append([]byte{0x5f}, cborBytes(id7[:])...), 0xff)},
		{"id tagged", id, append([]byte{0xd8, 0x18}, cborBytes(id7[:])...)},
		{"integer in two bytes", n, []byte{0x38, 4}},
		{"integer in nine bytes", n, []byte{0x1b, 0, 0, 0, 0, 0, 0, 0, 5}},
		{"integer as half float", n, []byte{0xf9, 0xc5, 0}},
		{"integer as float", n, []byte{0xfa, 0xc0, 0xa0, 0, 0}},
		{"integer as double", n, []byte{0xfb, 0xc0, 0x14, 0, 0, 0, 0, 0, 0}},
		{"integer as big integer", n, []byte{0xc3, 0x41, 4}},
		{"integer as null", n, []byte{0xf6}},
		{"integer as false", n, []byte{0xf4}},
		{"integer as text", n, cborText("-5")},
		{"integer below 64 bits", n, []byte{0x3b, 0x80, 0, 0, 0, 0, 0, 0, 0}},
		{"integer above 64 bits with sign", n, []byte{0x1b, 0x80, 0, 0, 0, 0, 0, 0, 0}},
		{"integer as simple value", n, []byte{0xe5}},
		{"integer as array", n, []byte{0x81, 5}},
		{"small integer above its type", u, []byte{0x19, 1, 0}},
		{"small integer negative", u, []byte{0x20}},
		{"truth as integer", on, []byte{1}},
		{"truth as null", on, []byte{0xf6}},
		{"truth in two bytes", on, []byte{0xf8, 21}},
		{"text not UTF-8", text, []byte{0x61, 0xff}},
		{"text longer than need be in UTF-8", text, []byte{0x62, 0xc1, 0x81}},
		{"text as bytes", text, []byte{0x41, 'a'}},
		{"text as null", text, []byte{0xf6}},
		{"text in chunks", text, []byte{0x7f, 0x61, 'a', 0xff}},
		{"text with a long length", text, []byte{0x78, 1, 'a'}},
		{"bytes as null", raw, []byte{0xf6}},
		{"bytes as array", raw, []byte{0x82, 1, 2}},
		{"bytes as text", raw, []byte{0x61, 'a'}},
		{"bytes with a long length", raw, []byte{0x58, 1, 2}},
		{"bytes in base64", raw, []byte{0xd6, 0x41, 2}},
		{"list as null", ids, []byte{0xf6}},
		{"list of indefinite length", ids, []byte{0x9f, 0xff}},
		{"list with a long length", ids, []byte{0x98, 0}},
		{"list as bytes", ids, []byte{0x40}},
		{"list as map", ids, []byte{0xa0}},
		{"list with null", ids, []byte{0x81, 0xf6}},
		{"struct as null", in, []byte{0xf6}},
		{"struct as map", in, append(append([]byte{0xa2}, cborText("Name")...), 0x61, 'a', 0x61, 'N', 1)},
		{"struct with a field less", in, cborArray(cborText("a"))},
		{"struct with a field more", in, cborArray(cborText("a"), cborInt(1), cborInt(1))},
		{"struct empty", in, []byte{0x80}},
		{"list with a null struct", list, []byte{0x81, 0xf6}},
		{"a break alone", list, []byte{0xff}},
	}
	for _, tt := range tests {
		items := sampleItems()
		items[tt.field] = tt.item
		var got sample
		if err := record.Unmarshal(cborArray(items...), &got); err == nil {
			t.Errorf("%s: accepted as %+v", tt.name, got)
		}
	}
	whole := cborArray(sampleItems()...)
	shapes := []struct {
		name string
		in   []byte
	}{
		{"nothing", nil},
		{"null", []byte{0xf6}},
		{"empty array", []byte{0x80}},
		{"empty map", []byte{0xa0}},
		{"a field less", cborArray(sampleItems()[:8]...)},
		{"a field more", cborArray(append(sampleItems(), []byte{0})...)},
		{"a byte behind", append(bytes.Clone(whole), 0)},
		{"itself behind", append(bytes.Clone(whole), whole...)},
		{"indefinite length", append(append([]byte{0x9f}, whole[1:]...), 0xff)},
		{"tagged", append([]byte{0xc1}, whole...)},
		{"cut off", whole[:len(whole)-1]},
	}
	for _, tt := range shapes {
		var got sample
		if err := record.Unmarshal(tt.in, &got); err == nil {
			t.Errorf("%s: accepted as %+v", tt.name, got)
		}
	}
}

func drawSample(t *rapid.T) sample {
	id := rapid.Map(rapid.SliceOfN(rapid.Byte(), 32, 32), func(b []byte) record.ID { return record.ID(b) })
	in := rapid.Custom(func(t *rapid.T) inner {
		return inner{Name: rapid.String().Draw(t, "name"), N: rapid.Int64().Draw(t, "n")}
	})
	return sample{
		ID: id.Draw(t, "id"), N: rapid.Int64().Draw(t, "n"), U: rapid.Uint8().Draw(t, "u"), On: rapid.Bool().Draw(t, "on"),
		Text: rapid.String().Draw(t, "text"), Bytes: rapid.SliceOf(rapid.Byte()).Draw(t, "bytes"),
		IDs: rapid.SliceOf(id).Draw(t, "ids"), Inner: in.Draw(t, "inner"), List: rapid.SliceOf(in).Draw(t, "list"),
	}
}

func TestMarshal(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := drawSample(t)
		b := record.Marshal(in)
		if !bytes.Equal(record.Marshal(&in), b) {
			t.Fatal("a pointer is encoded in another way")
		}
		var out sample
		if err := record.Unmarshal(b, &out); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(record.Marshal(out), b) || out.ID != in.ID || out.N != in.N || out.Text != in.Text ||
			len(out.IDs) != len(in.IDs) || len(out.List) != len(in.List) {
			t.Fatalf("got %+v, want %+v", out, in)
		}
		var again sample
		rest, err := record.UnmarshalFirst(append(b, 1, 2, 3), &again)
		if err != nil || !bytes.Equal(rest, []byte{1, 2, 3}) || !reflect.DeepEqual(again, out) {
			t.Fatalf("UnmarshalFirst: got %+v and %x, %v", again, rest, err)
		}
	})
}

func TestMarshalEmpty(t *testing.T) {
	full := sample{Bytes: []byte{}, IDs: []record.ID{}, List: []inner{}}
	if got, want := record.Marshal(sample{}), record.Marshal(full); !bytes.Equal(got, want) {
		t.Errorf("absent lists: got %x, want them as empty ones: %x", got, want)
	}
	var out sample
	if err := record.Unmarshal(record.Marshal(sample{}), &out); err != nil {
		t.Error(err)
	}
}

func TestUnmarshalFirst(t *testing.T) {
	var n uint64
	for _, b := range [][]byte{nil, {0x18}, {0x61}, {0x81}} {
		if _, err := record.UnmarshalFirst(b, &n); err == nil {
			t.Errorf("%x: accepted", b)
		}
	}
}

func TestMarshalPanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a function was encoded")
		}
	}()
	record.Marshal(func() {})
}

func FuzzUnmarshal(f *testing.F) {
	f.Add(cborArray(sampleItems()...))
	f.Add(record.Marshal(sample{}))
	f.Fuzz(func(t *testing.T, b []byte) {
		var v sample
		if err := record.Unmarshal(b, &v); err == nil && !bytes.Equal(record.Marshal(v), b) {
			t.Fatalf("%x encodes to %x", b, record.Marshal(v))
		}
	})
}
