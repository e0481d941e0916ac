package wire_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"coop/crdt/record"
	"coop/sync/wire"
)

// chain returns a founding record and n records of the same device after it.
func chain(t testing.TB, n int) []*record.Record {
	t.Helper()
	key := record.NewPrivate([32]byte{1})
	h := record.Header{Seq: 1, Depth: 1, Kind: "coop/found"}
	var rs []*record.Record
	for i := range n + 1 {
		r, err := record.New(h, bytes.Repeat([]byte{byte(i)}, 40), key)
		if err != nil {
			t.Fatal(err)
		}
		rs = append(rs, r)
		h = record.Header{Coop: rs[0].ID, Seq: r.Seq + 1, Depth: r.Depth + 1, Prev: r.ID, Kind: "doc/create", Time: int64(i)}
	}
	return rs
}

func messages(t testing.TB) []wire.Message {
	return []wire.Message{
		wire.Hello{Version: wire.Version, Nonce: [32]byte{1, 2}},
		wire.Proof{MAC: [32]byte{3}},
		wire.Show{Device: record.Key{4}, Sig: record.Sig{5}, Code: [8]byte{6}, Agent: "coop"},
		wire.Welcome{},
		wire.Wait{Reason: "a sponsor must admit you"},
		wire.Bye{Reason: "no", Evidence: [][]byte{{1}, {2}}},
		wire.Pull{Digest: [32]byte{7}, Tips: []record.ID{{8}, {9}}},
		wire.Probe{IDs: []record.ID{{10}}},
		wire.Have{IDs: []record.ID{}},
		wire.Records{Records: chain(t, 3), Left: 5},
		wire.End{Digest: [32]byte{11}},
		wire.Hint{Digest: [32]byte{12}},
		wire.Bundle{Coop: record.ID{13}, Assumes: []record.ID{{1}, {2}}},
		wire.Ask{MAC: [32]byte{14}},
		wire.Vouch{Card: []byte{15}, Vouch: chain(t, 2)},
		wire.Clock{Time: 16},
		wire.Addrs{Lists: []wire.AddrList{where(1, asItIs)}},
	}
}

func TestRoundTrip(t *testing.T) {
	for _, want := range messages(t) {
		got, err := wire.Decode(wire.Encode(want))
		if err != nil {
			t.Errorf("%T: %v", want, err)
			continue
		}
		if !bytes.Equal(wire.Encode(got), wire.Encode(want)) {
			t.Errorf("%T came back as %+v", want, got)
		}
		if _, records := want.(wire.Records); !records && !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
}

func TestFrames(t *testing.T) {
	codec, err := wire.NewCodec()
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	all := messages(t)
	for _, m := range all {
		n, err := codec.WriteFrame(&b, m)
		if err != nil || n <= 4 {
			t.Fatalf("%T: %d bytes, %v", m, n, err)
		}
	}
	for _, want := range all {
		got, err := codec.ReadFrame(&b, only(want))
		if err != nil || !bytes.Equal(wire.Encode(got), wire.Encode(want)) {
			t.Errorf("%T came back as %+v, %v", want, got, err)
		}
	}
	if b.Len() != 0 {
		t.Errorf("%d bytes left", b.Len())
	}
}

func only(ms ...wire.Message) func() wire.Expected {
	return func() wire.Expected { return wire.Expect(ms...) }
}

func everything() wire.Expected { return ^wire.Expected(0) }

func frame(packed byte, message []byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(len(message)+1))
	return append(append(b, packed), message...)
}

func TestBadFrames(t *testing.T) {
	packer, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	bomb := packer.EncodeAll(make([]byte, 64<<20), nil)
	hello, pull := wire.Encode(wire.Hello{Version: 1}), wire.Encode(wire.Pull{})
	tests := []struct {
		name  string
		frame []byte
		want  string
	}{
		{"no length", []byte{0, 0}, "EOF"},
		{"too long", binary.BigEndian.AppendUint32(nil, wire.MaxFrameLen+1), "frame is"},
		{"too short", binary.BigEndian.AppendUint32(nil, 1), "frame is"},
		{"cut off", frame(0, hello)[:10], "EOF"},
		{"unknown packing", frame(9, hello), "packed in way 9"},
		{"not zstd", frame(1, pull), "frame: "},
		{"decompression bomb", frame(1, append([]byte{10}, bomb...)), "frame: "},
		{"unknown number", frame(0, []byte{99, 0x80}), "number 99"},
		{"number 0", frame(0, []byte{0, 0x80}), "number 0"},
		{"bytes behind", frame(0, append(hello, 0)), "message 1"},
		{"another message's body", frame(0, append([]byte{2}, hello[1:]...)), "message 2"},
	}
	codec, err := wire.NewCodec()
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range tests {
		if _, err := codec.ReadFrame(bytes.NewReader(tt.frame), everything); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
}

// reader counts the bytes that are asked of it.
type reader struct {
	*bytes.Reader
	read int
}

func (r *reader) Read(b []byte) (int, error) {
	n, err := r.Reader.Read(b)
	r.read += n
	return n, err
}

// TestNotReadOn: what must not come now, or is longer than such a message can be, is
// refused by its first six bytes. Of a packed one no more is unpacked than it may have.
func TestNotReadOn(t *testing.T) {
	codec, err := wire.NewCodec()
	if err != nil {
		t.Fatal(err)
	}
	long := make([]byte, 100<<10)
	half := packed(t, make([]byte, 200<<10)) // more than a pull may have
	for _, tt := range []struct {
		name  string
		frame []byte
		now   wire.Message
		want  string
		most  int // bytes read
	}{
		{"not expected", frame(0, append([]byte{10}, long...)), wire.Hello{}, "not expected", 6},
		{"not expected, packed", frame(1, append([]byte{10}, half...)), wire.Hello{}, "not expected", 6},
		{"a long hello", frame(0, append([]byte{1}, long...)), wire.Hello{}, "more than 64", 6},
		{"a long proof", frame(0, append([]byte{2}, long[:64]...)), wire.Proof{}, "more than 64", 6},
		{"a packed hello", frame(1, append([]byte{1}, packed(t, make([]byte, 40))...)), wire.Hello{}, "never packed", 64},
		{"a packed show", frame(1, append([]byte{3}, packed(t, make([]byte, 40))...)), wire.Show{}, "never packed", 64},
		{"a pull that unpacks to too much", frame(1, append([]byte{7}, half...)), wire.Pull{}, "longer than it may be", 1 << 10},
		{"two in one", frame(1, append(append([]byte{7}, packed(t, long)...), half...)), wire.Pull{}, "frame: ", 1 << 10},
	} {
		r := &reader{Reader: bytes.NewReader(tt.frame)}
		var err error
		took := allocated(func() { _, err = codec.ReadFrame(r, only(tt.now)) })
		if err == nil || !strings.Contains(err.Error(), tt.want) || r.read > tt.most || took > 256<<10 {
			t.Errorf("%s: %d bytes read, %d held: %v, want %q", tt.name, r.read, took, err, tt.want)
		}
	}
}

// TestTwice: what is there twice is refused before a signature is verified. One
// record two thousand times packs into a few hundred bytes.
func TestTwice(t *testing.T) {
	forged := *chain(t, 1)[1]
	forged.Sig[0] ^= 1
	id := record.ID{1}
	for _, m := range []wire.Message{
		wire.Records{Records: slices.Repeat([]*record.Record{&forged}, 1000)},
		wire.Vouch{Vouch: slices.Repeat([]*record.Record{&forged}, wire.MaxVouch)},
		wire.Pull{Tips: []record.ID{id, {2}, id}}, wire.Probe{IDs: []record.ID{id, id}}, wire.Have{IDs: []record.ID{id, id}},
		wire.Bundle{Assumes: []record.ID{id, id}},
	} {
		if _, err := wire.Decode(wire.Encode(m)); err == nil || !strings.Contains(err.Error(), "twice") {
			t.Errorf("%T: %v, want that it is there twice", m, err)
		}
	}
	other := forged
	other.Sig[1] ^= 1 // one record, two signatures
	if _, err := wire.DecodeGossip(wire.EncodeGossip([]*record.Record{&forged, &other})); err == nil || !strings.Contains(err.Error(), "twice") {
		t.Errorf("gossip: %v", err)
	}
}

// TestLongest: the longest message of each kind fits, and is read back.
func TestLongest(t *testing.T) {
	codec, err := wire.NewCodec()
	if err != nil {
		t.Fatal(err)
	}
	var ids []record.ID
	for i := range wire.MaxTips {
		ids = append(ids, sha256.Sum256([]byte{byte(i), byte(i >> 8)}))
	}
	proof := [][]byte{bytes.Repeat([]byte{1}, 2200), bytes.Repeat([]byte{2}, 2200)}
	why := strings.Repeat("x", wire.MaxReasonLen)
	for _, m := range []wire.Message{
		wire.Hello{Version: 1<<64 - 1, Time: record.MaxTime}, wire.Proof{}, wire.Show{Agent: why[:wire.MaxAgentLen]}, wire.Vouch{Card: make([]byte, wire.VouchLen)},
		wire.Wait{Reason: why}, wire.Bye{Reason: why, Evidence: proof}, wire.Pull{Tips: ids}, wire.Probe{IDs: ids}, wire.Have{IDs: ids},
		wire.End{}, wire.Hint{}, wire.Bundle{Assumes: ids}, wire.Ask{}, wire.Clock{Time: record.MaxTime},
	} {
		var b bytes.Buffer
		if _, err := codec.WriteFrame(&b, m); err != nil {
			t.Fatal(err)
		}
		if got, err := codec.ReadFrame(&b, only(m)); err != nil || !bytes.Equal(wire.Encode(got), wire.Encode(m)) {
			t.Errorf("%T: %v", m, err)
		}
	}
}

func TestLimits(t *testing.T) {
	var ids []record.ID
	for i := range wire.MaxTips + 1 {
		ids = append(ids, record.ID{byte(i), byte(i >> 8)})
	}
	tests := []wire.Message{
		wire.Pull{Tips: ids}, wire.Probe{IDs: ids}, wire.Have{IDs: ids},
		wire.Wait{Reason: strings.Repeat("x", wire.MaxReasonLen+1)}, wire.Bye{Reason: strings.Repeat("x", wire.MaxReasonLen+1)},
		wire.Bye{Evidence: make([][]byte, 3)}, wire.Show{Agent: strings.Repeat("x", wire.MaxAgentLen+1)},
		wire.Vouch{Vouch: chain(t, wire.MaxVouch+1)}, wire.Vouch{Card: make([]byte, wire.VouchLen+1)},
	}
	for _, m := range tests {
		if _, err := wire.Decode(wire.Encode(m)); err == nil {
			t.Errorf("%T beyond its limit was taken", m)
		}
	}
}

// TestVouchBomb: what is longer than any vouch is refused before a signature of it
// is looked at.
func TestVouchBomb(t *testing.T) {
	rs := chain(t, wire.MaxVouch)
	for _, r := range rs {
		r.Sig[0] ^= 1
	}
	if _, err := wire.Decode(wire.Encode(wire.Vouch{Vouch: rs})); err == nil || !strings.Contains(err.Error(), "more than") {
		t.Errorf("%d records: %v", len(rs), err)
	}
	if _, err := wire.Decode(wire.Encode(wire.Vouch{Vouch: rs[1:]})); err == nil || !strings.Contains(err.Error(), "bad signature") {
		t.Errorf("%d records: %v", len(rs)-1, err)
	}
}

func TestBadRecords(t *testing.T) {
	rs := chain(t, 2)
	forged := *rs[1]
	forged.Sig[0] ^= 1
	tests := []struct {
		name    string
		encoded [][]byte
		want    string
	}{
		{"bad signature", [][]byte{rs[0].Encode(), forged.Encode(), rs[2].Encode()}, "bad signature"},
		{"bad signature first, the same record behind it", [][]byte{forged.Encode(), rs[1].Encode()}, "twice"},
		{"no record", [][]byte{{1, 2, 3}}, "record"},
		{"hollow", [][]byte{rs[1].Erase().Encode()}, "without its body"},
	}
	for _, tt := range tests {
		if _, err := wire.OpenRecords(tt.encoded); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
		if _, err := wire.DecodeGossip(record.Marshal(tt.encoded)); err == nil {
			t.Errorf("%s: taken from gossip", tt.name)
		}
	}
}

func TestGossip(t *testing.T) {
	rs := chain(t, wire.MaxGossip)
	got, err := wire.DecodeGossip(wire.EncodeGossip(rs[:wire.MaxGossip]))
	if err != nil || len(got) != wire.MaxGossip || got[1].ID != rs[1].ID {
		t.Errorf("%d records came back, %v", len(got), err)
	}
	for _, b := range [][]byte{nil, record.Marshal([][]byte{}), wire.EncodeGossip(rs), make([]byte, wire.MaxGossipLen+1)} {
		if _, err := wire.DecodeGossip(b); err == nil {
			t.Errorf("gossip of %d bytes was taken", len(b))
		}
	}
	if _, err := wire.DecodeGossip(wire.EncodeGossip(large(t, 3))); err == nil || !strings.Contains(err.Error(), "more than") {
		t.Errorf("three records of 40 KiB: %v", err)
	}
	newer := record.Marshal([][]byte{record.Marshal([][]byte{append([]byte{0x8c, 2}, make([]byte, 80)...), make([]byte, 64), {}})})
	if _, err := wire.DecodeGossip(newer); !errors.Is(err, record.ErrTooNew) {
		t.Errorf("a record of version 2: %v, want ErrTooNew", err)
	}
}

// large returns founding records with bodies of 40 KiB.
func large(t *testing.T, n int) (rs []*record.Record) {
	t.Helper()
	for i := range n {
		r, err := record.New(record.Header{Seq: 1, Depth: 1, Kind: "coop/found", Time: int64(i)}, make([]byte, 40<<10), record.NewPrivate([32]byte{1}))
		if err != nil {
			t.Fatal(err)
		}
		rs = append(rs, r)
	}
	return rs
}

func FuzzDecode(f *testing.F) {
	for _, m := range messages(f) {
		f.Add(wire.Encode(m))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := wire.Decode(b)
		if err == nil && !bytes.Equal(wire.Encode(m), b) {
			t.Errorf("%x decodes and encodes to %x", b, wire.Encode(m))
		}
	})
}

func FuzzReadFrame(f *testing.F) {
	codec, err := wire.NewCodec()
	if err != nil {
		f.Fatal(err)
	}
	for _, m := range messages(f) {
		var b bytes.Buffer
		if _, err := codec.WriteFrame(&b, m); err != nil {
			f.Fatal(err)
		}
		f.Add(b.Bytes())
	}
	bomb := append([]byte{0, 0, 0, 0, 1, 10}, packed(f, make([]byte, 8<<20))...)
	binary.BigEndian.PutUint32(bomb, uint32(len(bomb)-4))
	f.Add(bomb)
	f.Fuzz(func(t *testing.T, b []byte) {
		var m wire.Message
		var err error
		if took := allocated(func() { m, err = codec.ReadFrame(bytes.NewReader(b), everything) }); took > 64<<20 {
			t.Errorf("a frame of %d bytes takes %d of memory", len(b), took)
		}
		if err == nil {
			wire.Encode(m)
		}
	})
}

func packed(t testing.TB, b []byte) []byte {
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return w.EncodeAll(b, nil)
}

// allocated returns how many bytes f asked for.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// FuzzDecodeGossip: what is accepted is the one encoding of few records, and
// nothing that a gossip message can hold takes much memory.
func FuzzDecodeGossip(f *testing.F) {
	rs := chain(f, 3)
	f.Add(wire.EncodeGossip(rs[:1]))
	f.Add(wire.EncodeGossip(rs))
	f.Add(wire.EncodeGossip([]*record.Record{rs[1].Erase()}))
	f.Fuzz(func(t *testing.T, b []byte) {
		var got []*record.Record
		var err error
		if took := allocated(func() { got, err = wire.DecodeGossip(b) }); took > 16<<20 {
			t.Errorf("%d bytes take %d of memory", len(b), took)
		}
		if err == nil && (len(got) > wire.MaxGossip || !bytes.Equal(wire.EncodeGossip(got), b)) {
			t.Errorf("%x is %d records and encodes to %x", b, len(got), wire.EncodeGossip(got))
		}
	})
}
