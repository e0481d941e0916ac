package record_test

import (
	"bytes"
	"errors"
	"math"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"coop/crdt/record"
)

// accepted reports whether bytes are a record with a good signature.
func accepted(b []byte) bool {
	r, err := record.Decode(b)
	return err == nil && r.Verify() == nil
}

// TestChanged changes every byte of a small record to every other value, and
// every bit of larger ones.
func TestChanged(t *testing.T) {
	bit := func(b []byte, i int) (out []byte) {
		for k := range 8 {
			out = append(out, b[i]^1<<k)
		}
		return out
	}
	every := func(b []byte, i int) (out []byte) {
		for c := range 256 {
			if byte(c) != b[i] {
				out = append(out, byte(c))
			}
		}
		return out
	}
	first := mustNew(t, founding(), []byte("terms"), keyOf(1))
	next := mustNew(t, second(), []byte("hello"), keyOf(1))
	tests := []struct {
		name   string
		record *record.Record
		values func(b []byte, i int) []byte
	}{
		{"founding record, every value", first, every},
		{"founding record, hollow, every bit", first.Erase(), bit},
		{"second record, every bit", next, bit},
		{"second record, hollow, every bit", next.Erase(), bit},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			whole := tt.record.Encode()
			if !accepted(whole) {
				t.Fatal("refused as it is")
			}
			changed := bytes.Clone(whole)
			for i := range whole {
				for _, c := range tt.values(whole, i) {
					changed[i] = c
					if accepted(changed) {
						t.Fatalf("byte %d changed from %02x to %02x: accepted", i, whole[i], c)
					}
				}
				changed[i] = whole[i]
			}
		})
	}
}

// TestCut takes bytes out, puts bytes in, and cuts the record off everywhere.
func TestCut(t *testing.T) {
	whole := mustNew(t, second(), []byte("hello"), keyOf(1)).Encode()
	for i := range whole {
		if accepted(whole[:i]) {
			t.Errorf("cut off at %d: accepted", i)
		}
		if accepted(slices.Delete(bytes.Clone(whole), i, i+1)) {
			t.Errorf("without byte %d: accepted", i)
		}
		for _, c := range []byte{0, whole[i], 0xf6, 0xff} {
			if accepted(slices.Insert(bytes.Clone(whole), i, c)) {
				t.Errorf("with %02x before byte %d: accepted", c, i)
			}
		}
	}
}

// headerGen draws headers, most of them good, with one thing wrong in some.
func headerGen(t *rapid.T) record.Header {
	id := rapid.Map(rapid.SliceOfN(rapid.Byte(), 32, 32), func(b []byte) record.ID { return record.ID(b) })
	h := record.Header{
		Coop:    id.Draw(t, "coop"),
		Seq:     rapid.Uint64Range(1, record.MaxSeq).Draw(t, "seq"),
		Prev:    id.Draw(t, "prev"),
		Parents: record.SortIDs(rapid.SliceOfN(id, 1, record.MaxParents).Draw(t, "parents")),
		Depth:   rapid.Uint64Min(2).Draw(t, "depth"),
		Kind:    rapid.StringMatching(`[a-z0-9/-]{1,32}`).Draw(t, "kind"),
		Time:    rapid.Int64Range(0, record.MaxTime).Draw(t, "time"),
	}
	if h.Seq == 1 {
		h.Prev = record.ID{}
	}
	switch rapid.IntRange(0, 16).Draw(t, "wrong") {
	case 0:
		h.Seq = rapid.Uint64Range(0, 2).Draw(t, "other seq")
	case 1:
		h.Seq = record.MaxSeq + rapid.Uint64Range(0, 2).Draw(t, "over")
	case 2:
		h.Coop = record.ID{}
	case 3:
		h.Prev = record.ID{}
	case 4:
		h.Parents = nil
	case 5:
		h.Parents = append(h.Parents, id.Draw(t, "one more"))
	case 6:
		h.Parents = append(h.Parents, h.Prev)
		slices.SortFunc(h.Parents, record.ID.Compare)
	case 7:
		h.Depth = rapid.Uint64Max(2).Draw(t, "other depth")
	case 8:
		h.Kind = rapid.String().Draw(t, "other kind")
	case 9:
		h.Seal = rapid.Uint64Max(1).Draw(t, "seal")
	case 10: // a founding record, or nearly
		h = record.Header{Seq: 1, Depth: rapid.Uint64Range(0, 2).Draw(t, "its depth"), Kind: h.Kind, Time: h.Time}
	}
	return h
}

// TestNew holds that New signs what Decode accepts and nothing else, in the
// encoding written by hand.
func TestNew(t *testing.T) {
	var signed, refused int
	rapid.Check(t, func(t *rapid.T) {
		h := headerGen(t)
		key := keyOf(rapid.Byte().Draw(t, "key"))
		body := rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, "body")
		byHand := forge(cborArray(fields(complete(h, body, key))...), body, key)
		h.Version, h.BodyLen = 7, 7 // New knows better
		r, errNew := record.New(h, body, key)
		d, errDecode := record.Decode(byHand)
		if (errNew == nil) != (errDecode == nil) {
			t.Fatalf("New says %v, Decode says %v", errNew, errDecode)
		}
		if errNew != nil {
			refused++
			return
		}
		signed++
		if err := d.Verify(); err != nil {
			t.Fatal(err)
		}
		if got := r.Encode(); !bytes.Equal(got, byHand) {
			t.Fatalf("encoded:\n got %x\nwant %x", got, byHand)
		}
		if !reflect.DeepEqual(r, d) {
			t.Fatalf("signed and decoded differ:\n got %+v\nwant %+v", r, d)
		}
		checkForms(t, d)
	})
	if signed == 0 || refused == 0 {
		t.Errorf("%d signed, %d refused: the test tells nothing", signed, refused)
	}
}

// checkForms holds an accepted record against its hollow and trusted forms.
func checkForms(t interface {
	Helper()
	Fatalf(string, ...any)
}, r *record.Record) {
	t.Helper()
	hollow := r.Erase()
	d, err := record.Decode(hollow.Encode())
	if err != nil {
		t.Fatalf("hollow: %v", err)
	}
	if d.ID != r.ID || d.Sig != r.Sig || !d.Hollow || d.Body != nil {
		t.Fatalf("hollow: got %+v of %+v", d, r)
	}
	if (d.Verify() == nil) != (r.Verify() == nil) {
		t.Fatalf("hollow: the signature is judged in another way")
	}
	trusted, err := record.Trusted(r.Raw, r.Sig, r.Body, r.Hollow)
	if err != nil {
		t.Fatalf("trusted: %v", err)
	}
	if !bytes.Equal(trusted.Encode(), r.Encode()) || trusted.ID != r.ID || !reflect.DeepEqual(trusted.Header, r.Header) {
		t.Fatalf("trusted: got %+v, want %+v", trusted, r)
	}
}

// Who has a clock of another century can still write.
func TestTimeIsClamped(t *testing.T) {
	for _, c := range []struct{ clock, want int64 }{
		{-1, 0}, {math.MinInt64, 0}, {0, 0}, {record.MaxTime, record.MaxTime}, {record.MaxTime + 1, record.MaxTime}, {math.MaxInt64, record.MaxTime},
	} {
		h := second()
		h.Time = c.clock
		r, err := record.New(h, nil, keyOf(1))
		if err != nil {
			t.Fatalf("a clock of %d: %v", c.clock, err)
		}
		if r.Time != c.want {
			t.Errorf("a clock of %d: the record is of %d, not %d", c.clock, r.Time, c.want)
		}
	}
}

func TestErase(t *testing.T) {
	r := mustNew(t, second(), []byte("hello"), keyOf(1))
	if h := r.Erase(); !h.Hollow || h.Body != nil || h.BodyLen != 5 {
		t.Errorf("got %+v", h)
	}
	if r.Hollow || string(r.Body) != "hello" {
		t.Errorf("erasing a copy changed the record: %+v", r)
	}
}

func TestTrusted(t *testing.T) {
	r := mustNew(t, second(), []byte("hello"), keyOf(1))
	got, err := record.Trusted(r.Raw, record.Sig{}, nil, false)
	if err != nil {
		t.Fatal(err)
	}
	if got.ID != r.ID || got.Kind != r.Kind || got.Verify() != nil {
		t.Errorf("got %+v, want it as it was signed, taken on trust", got)
	}
	for _, raw := range [][]byte{nil, {0xf6, 0}, r.Raw[:len(r.Raw)-1], append(bytes.Clone(r.Raw), 0)} {
		if r, err := record.Trusted(raw, r.Sig, nil, false); err == nil || r != nil {
			t.Errorf("damaged header %x: got %+v, %v, want an error", raw, r, err)
		}
	}
}

func TestVerify(t *testing.T) {
	good := mustNew(t, second(), nil, keyOf(1)).Encode()
	other := mustNew(t, second(), nil, keyOf(2))
	forged := mustDecode(t, good)
	forged.Sig = other.Sig
	for range 2 { // a bad verdict must not turn good by asking again
		if forged.Verify() == nil {
			t.Error("signature by another device: accepted")
		}
	}
	r := mustDecode(t, good)
	for range 2 {
		if err := r.Verify(); err != nil {
			t.Error(err)
		}
	}
}

// TestBounded holds that what claims to be large costs no more than it is.
func TestBounded(t *testing.T) {
	huge := []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	head := func(major byte) []byte { return append([]byte{major<<5 | 27}, huge...) }
	raw := cborArray(fields(complete(second(), nil, keyOf(1)))...)
	withParents := func(p []byte) []byte {
		f := fields(complete(second(), nil, keyOf(1)))
		f[parents] = p
		return forge(cborArray(f...), nil, keyOf(1))
	}
	tests := []struct {
		name string
		in   []byte
	}{
		{"huge array", head(4)},
		{"huge bytes", append([]byte{0x83}, head(2)...)},
		{"huge bytes in a hollow record", append([]byte{0x82}, head(2)...)},
		{"bytes of 4 GiB", append([]byte{0x83, 0x5a, 0xff, 0xff, 0xff, 0xff}, raw...)},
		{"huge map", append([]byte{0x83}, head(5)...)},
		{"huge text", append([]byte{0x83}, head(3)...)},
		{"huge parents", withParents(head(4))},
		{"a million parents", withParents([]byte{0x9a, 0, 0x10, 0, 0})},
		{"parents of nothing", withParents(append([]byte{0x99, 0x07, 0}, make([]byte, 1792)...))},
		{"nested arrays", bytes.Repeat([]byte{0x81}, 60_000)},
		{"nested tags", bytes.Repeat([]byte{0xc1}, 60_000)},
		{"parents nested", withParents(bytes.Repeat([]byte{0x81}, 1500))},
		{"many small items", append([]byte{0x99, 0xff, 0xff}, make([]byte, 65_535)...)},
	}
	for _, tt := range tests {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := record.Decode(tt.in)
		runtime.ReadMemStats(&after)
		if err == nil {
			t.Errorf("%s: accepted", tt.name)
		}
		const room = 1 << 20 // bytes
		if got := after.TotalAlloc - before.TotalAlloc; got > room {
			t.Errorf("%s: %d bytes allocated for %d bytes", tt.name, got, len(tt.in))
		}
	}
}

func TestTooNew(t *testing.T) {
	key := keyOf(1)
	h := complete(second(), nil, key)
	h.Version = 2
	_, err := record.Decode(forge(cborArray(fields(h)...), nil, key))
	if !errors.Is(err, record.ErrTooNew) || !strings.Contains(err.Error(), "update coop") {
		t.Errorf("got %v, want ErrTooNew and what to do", err)
	}
}

func FuzzDecode(f *testing.F) {
	v := readVectors(f)
	for _, r := range v.Records {
		f.Add(bytesOf(f, r.Encoded))
	}
	for _, r := range v.Invalid {
		f.Add(bytesOf(f, r.Encoded))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := record.Decode(b)
		if err != nil {
			if r != nil {
				t.Fatalf("a record beside the error %v", err)
			}
			return
		}
		if !bytes.Equal(r.Encode(), b) {
			t.Fatalf("encodes to\n%x, was\n%x", r.Encode(), b)
		}
		if len(b) > record.MaxLen || len(r.Raw) > record.MaxHeaderLen || r.BodyLen > record.MaxBodyLen ||
			len(r.Parents) > record.MaxParents || len(r.Kind) > record.MaxKindLen || r.Version != record.Version {
			t.Fatalf("beyond a limit: %+v", r.Header)
		}
		if byHand := cborArray(fields(r.Header)...); !bytes.Equal(byHand, r.Raw) {
			t.Fatalf("header by hand\n%x, was\n%x", byHand, r.Raw)
		}
		checkForms(t, r)
	})
}
